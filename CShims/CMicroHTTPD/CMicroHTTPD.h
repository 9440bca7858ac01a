#ifndef KACHERY_CMicroHTTPD_H
#define KACHERY_CMicroHTTPD_H

#include <microhttpd.h>

#endif

#ifndef KACHERY_CCurl_H
#define KACHERY_CCurl_H

#include <curl/curl.h>

#endif

#ifndef KACHERY_CWSLAY_H
#define KACHERY_CWSLAY_H

#include <sys/types.h>
#include <wslay/wslay.h>

#endif

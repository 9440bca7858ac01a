#ifndef KACHERY_CUV_H
#define KACHERY_CUV_H

#include <uv.h>

#endif

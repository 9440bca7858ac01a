#ifndef KACHERY_CPosix_H
#define KACHERY_CPosix_H

#include <fcntl.h>
#include <unistd.h>

#endif

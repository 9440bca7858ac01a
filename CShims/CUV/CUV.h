#ifndef KACHERY_CUV_H
#define KACHERY_CUV_H

#include <signal.h>
#include <uv.h>

// Writing to a connection that the other side has closed, or beyond the limit on file size, must be an error and not
// end the process. SIG_IGN is a macro that Swift cannot see.
static inline void CUV_survive_failed_writes(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

#endif

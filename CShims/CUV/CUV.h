#ifndef KACHERY_CUV_H
#define KACHERY_CUV_H

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <uv.h>

// Writing to a connection that the other side has closed, or beyond the limit on file size, must be an error and not
// end the process. SIG_IGN is a macro that Swift cannot see.
static inline void CUV_survive_failed_writes(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

// pthread_setname_np is hidden from Swift unless the whole module is compiled with _GNU_SOURCE.
static inline void CUV_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif

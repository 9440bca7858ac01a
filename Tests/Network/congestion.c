// Preloaded into a program (LD_PRELOAD), this makes the congestion controls named in CONGESTION_CONTROLS the only ones
// that the kernel seems to have. New TCP sockets begin with the first of them. A namespace cannot be set up like that: only
// the kernel's first namespace can allow or forbid a congestion control.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int set_option(int descriptor, int level, int option, const void *value, socklen_t size) {
  static int (*next)(int, int, int, const void *, socklen_t);
  if (!next) next = (int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");
  return next(descriptor, level, option, value, size);
}

static bool exists(const char *name, size_t size) {
  const char *names = getenv("CONGESTION_CONTROLS");
  while (names && *names) {
    size_t length = strcspn(names, " ");
    if (length == size && !memcmp(names, name, size)) return true;
    names += length + strspn(names + length, " ");
  }
  return !getenv("CONGESTION_CONTROLS");
}

int setsockopt(int descriptor, int level, int option, const void *value, socklen_t size) {
  if (level == IPPROTO_TCP && option == TCP_CONGESTION && value && !exists(value, strnlen(value, size))) {
    errno = ENOENT;
    return -1;
  }
  return set_option(descriptor, level, option, value, size);
}

// Accepted sockets have the congestion control of the socket that listens.
int socket(int domain, int type, int protocol) {
  static int (*next)(int, int, int);
  if (!next) next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
  int descriptor = next(domain, type, protocol);
  const char *names = getenv("CONGESTION_CONTROLS");
  bool is_tcp = (domain == AF_INET || domain == AF_INET6) && (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM;
  if (descriptor < 0 || !names || !is_tcp || (protocol && protocol != IPPROTO_TCP)) return descriptor;
  if (set_option(descriptor, IPPROTO_TCP, TCP_CONGESTION, names, (socklen_t)strcspn(names, " "))) {
    fprintf(stderr, "congestion: '%s' cannot be used: %s\n", names, strerror(errno));
    abort();
  }
  return descriptor;
}

#ifndef KACHERY_CUV_H
#define KACHERY_CUV_H

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

// Writing to a connection that the other side has closed, or beyond the limit on file size, must be an error and not
// end the process. SIG_IGN is a macro that Swift cannot see.
static inline void CUV_survive_failed_writes(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

// Bytes that the kernel has accepted on a TCP connection and the other end has not acknowledged; -1 if unknown. ioctl is
// variadic, which Swift cannot call.
static inline int CUV_unacknowledged_bytes(int descriptor) {
  int count = 0;
  return ioctl(descriptor, SIOCOUTQ, &count) < 0 ? -1 : count;
}

// How often in a row a TCP connection has sent its oldest bytes again for lack of an acknowledgment.
static inline int CUV_timeouts(int descriptor) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? 0 : info.tcpi_retransmits;
}

// Receives from the groups that this socket has joined, on the interfaces where it has, and not from those that other
// sockets of the machine have joined (ip(7), IP_MULTICAST_ALL). libuv has no function for it. IPv6 sockets that are bound
// to an interface need none.
static inline void CUV_receive_joined_groups_only(int descriptor) {
  int all = 0;
  setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, &all, sizeof all);
}

// The headers hide these two calls and their flags unless _GNU_SOURCE is defined, which Swift does not define.
extern int pipe2(int ends[2], int flags);
extern ssize_t splice(int from, __off64_t *from_offset, int to, __off64_t *to_offset, size_t count, unsigned int flags);

// A pipe that never blocks and holds about this number of bytes, or as many as the system allows; 0 or the negated errno:
// between a call and reading errno, Swift may run code that changes it. 1031 is F_SETPIPE_SZ, and fcntl is variadic.
static inline int CUV_open_pipe(int ends[2], int capacity) {
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  fcntl(ends[0], 1031, capacity);
  return 0;
}

// Moves bytes between a socket and a pipe inside the kernel, and never blocks: 1 is SPLICE_F_MOVE, 2 SPLICE_F_NONBLOCK.
// The number of bytes, 0 at the end, or the negated errno, as above.
static inline ssize_t CUV_splice(int from, int to, size_t count) {
  ssize_t moved;
  do moved = splice(from, NULL, to, NULL, count, 1 | 2);
  while (moved < 0 && errno == EINTR);
  return moved < 0 ? (ssize_t)-errno : moved;
}

// errno, as above.
static inline ssize_t CUV_read(int descriptor, void *bytes, size_t count) {
  ssize_t moved;
  do moved = read(descriptor, bytes, count);
  while (moved < 0 && errno == EINTR);
  return moved < 0 ? (ssize_t)-errno : moved;
}

// errno, as above.
static inline ssize_t CUV_write(int descriptor, const void *bytes, size_t count) {
  ssize_t moved;
  do moved = write(descriptor, bytes, count);
  while (moved < 0 && errno == EINTR);
  return moved < 0 ? (ssize_t)-errno : moved;
}

// A further descriptor of the same connection; the negated errno if there are none left. fcntl is variadic.
static inline int CUV_duplicate(int descriptor) {
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -errno : copy;
}

#endif

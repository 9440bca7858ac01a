#ifndef KACHERY_CUV_H
#define KACHERY_CUV_H

#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
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

#endif

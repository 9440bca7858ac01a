#define _GNU_SOURCE
#include "CDatagrams.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

void CDatagrams_set_buffers(int descriptor, int bytes) {
  // The forced sizes are for root alone; the others end at the system's limits.
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

int CDatagrams_open(const struct sockaddr *address, socklen_t size, int buffer_size) {
  int descriptor = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  int on = 1, off = 0;
  // PROBE forbids fragments and ignores what ICMP, which is easily forged, says about the path.
  int discover = IP_PMTUDISC_PROBE;
  if (address->sa_family == AF_INET6) {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof discover);
  }
  setsockopt(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
  setsockopt(descriptor, SOL_UDP, UDP_GRO, &on, sizeof on);
  CDatagrams_set_buffers(descriptor, buffer_size);
  if (bind(descriptor, address, size) == 0) return descriptor;
  int failure = -errno;
  close(descriptor);
  return failure;
}

int CDatagrams_route_mtu(const void *address, size_t size) {
  const struct sockaddr *target = address;
  int descriptor = socket(target->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  int mtu = 0;
  socklen_t mtu_size = sizeof mtu;
  int is_ipv6 = target->sa_family == AF_INET6;
  // A UDP socket sends nothing when it connects.
  int result = connect(descriptor, target, (socklen_t)size);
  if (result == 0)
    result = getsockopt(
        descriptor, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_MTU : IP_MTU, &mtu, &mtu_size);
  int failure = result < 0 ? -errno : 0;
  close(descriptor);
  return failure < 0 ? failure : mtu;
}

ssize_t CDatagrams_further(int descriptor) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  return (ssize_t)(limit.rlim_cur < INT_MAX ? limit.rlim_cur : INT_MAX) - 1 - descriptor;
}

int CDatagrams_receive(int descriptor, uint8_t *slots, CDatagrams_received *received) {
  struct mmsghdr messages[CDATAGRAMS_BATCH];
  struct iovec vectors[CDATAGRAMS_BATCH];
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control[CDATAGRAMS_BATCH];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < CDATAGRAMS_BATCH; i++) {
    vectors[i] = (struct iovec){slots + (size_t)i * CDATAGRAMS_SLOT, CDATAGRAMS_SLOT};
    messages[i].msg_hdr.msg_name = &received[i].address;
    messages[i].msg_hdr.msg_namelen = sizeof received[i].address;
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = &control[i];
    messages[i].msg_hdr.msg_controllen = sizeof control[i];
  }
  int count = recvmmsg(descriptor, messages, CDATAGRAMS_BATCH, MSG_DONTWAIT, NULL);
  if (count < 0) return -errno;
  for (int i = 0; i < count; i++) {
    struct msghdr *header = &messages[i].msg_hdr;
    received[i].address_size = header->msg_namelen;
    received[i].count = header->msg_flags & MSG_TRUNC ? 0 : messages[i].msg_len;
    received[i].segment = received[i].count;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL; item = CMSG_NXTHDR(header, item)) {
      int segment;
      if (item->cmsg_level != SOL_UDP || item->cmsg_type != UDP_GRO) continue;
      memcpy(&segment, CMSG_DATA(item), sizeof segment);
      if (segment > 0) received[i].segment = (uint32_t)segment;
    }
  }
  return count;
}

static ssize_t send_once(
    int descriptor, const uint8_t *bytes, size_t count, size_t segment, const void *address, size_t address_size) {
  struct iovec vector = {(void *)bytes, count};
  union {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr alignment;
  } control;
  struct msghdr message = {
      .msg_name = (void *)address, .msg_namelen = (socklen_t)address_size, .msg_iov = &vector, .msg_iovlen = 1};
  if (count > segment) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    uint16_t size = (uint16_t)segment;
    item->cmsg_level = SOL_UDP;
    item->cmsg_type = UDP_SEGMENT;
    item->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(item), &size, sizeof size);
  }
  ssize_t sent;
  do sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t CDatagrams_send(
    int descriptor, const uint8_t *bytes, size_t count, size_t segment, const void *address, size_t address_size,
    int *is_batching) {
  if (count <= segment || *is_batching) {
    ssize_t sent = send_once(descriptor, bytes, count, segment, address, address_size);
    if (count <= segment || (sent != -EIO && sent != -EINVAL && sent != -ENOPROTOOPT)) return sent;
  }
  size_t done = 0;
  while (done < count) {
    size_t size = count - done < segment ? count - done : segment;
    ssize_t sent = send_once(descriptor, bytes + done, size, size, address, address_size);
    // The kernel refuses a batch of datagrams that are too large with the same error as one that it cannot divide.
    if (sent >= 0 && size == segment) *is_batching = 0;
    if (sent < 0 && sent != -EMSGSIZE) return done > 0 ? (ssize_t)done : sent;
    done += size;
  }
  return (ssize_t)done;
}

ssize_t CDatagrams_send_near(
    int descriptor, const uint8_t *bytes, size_t count, const void *address, size_t address_size, int hops) {
  struct iovec vector = {(void *)bytes, count};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {
      .msg_name = (void *)address,
      .msg_namelen = (socklen_t)address_size,
      .msg_iov = &vector,
      .msg_iovlen = 1,
      .msg_control = &control,
      .msg_controllen = sizeof control};
  const struct sockaddr_in6 *target = address;
  // The kernel sends to an IPv4 address that is mapped into IPv6 by IPv4, and reads that protocol's options then.
  int is_new = target->sin6_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&target->sin6_addr);
  struct cmsghdr *item = CMSG_FIRSTHDR(&message);
  item->cmsg_level = is_new ? IPPROTO_IPV6 : IPPROTO_IP;
  item->cmsg_type = is_new ? IPV6_HOPLIMIT : IP_TTL;
  item->cmsg_len = CMSG_LEN(sizeof hops);
  memcpy(CMSG_DATA(item), &hops, sizeof hops);
  ssize_t sent;
  do sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

int CDatagrams_open_timer(void) {
  int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return descriptor < 0 ? -errno : descriptor;
}

void CDatagrams_set_timer(int descriptor, uint64_t nanoseconds) {
  struct itimerspec time = {
      .it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)}};
  timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, NULL);
}

void CDatagrams_clear_timer(int descriptor) {
  uint64_t expirations;
  ssize_t count = read(descriptor, &expirations, sizeof expirations);
  (void)count;
}

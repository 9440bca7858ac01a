#ifndef KACHERY_CDATAGRAMS_H
#define KACHERY_CDATAGRAMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// UDP in batches, and a timer with nanoseconds. The headers hide most of these calls unless _GNU_SOURCE is defined, which
// Swift does not define. Each function returns the negated errno if it fails: between a call and reading errno, Swift
// may run code that changes it.

// The most datagrams, or trains of datagrams, that one call receives.
#define CDATAGRAMS_BATCH 4
// Bytes for each of them: the most that the kernel puts together.
#define CDATAGRAMS_SLOT (64 << 10)

typedef struct {
  struct sockaddr_storage address;
  uint32_t address_size;
  uint32_t count;    // bytes received
  uint32_t segment;  // bytes of each datagram in them; the last may have fewer
} CDatagrams_received;

// Opens a socket that never blocks, never fragments, and is bound to this address. An IPv6 socket receives IPv4 as well.
//
// buffer_size: bytes of each of its two buffers, as far as the system admits.
int CDatagrams_open(const struct sockaddr *address, socklen_t size, int buffer_size);

// Changes the size of the buffers.
void CDatagrams_set_buffers(int descriptor, int bytes);

// The MTU of the kernel's route to an address.
int CDatagrams_route_mtu(const void *address, size_t size);

// How many descriptors above this one the process may have.
ssize_t CDatagrams_further(int descriptor);

// Receives what is there into consecutive slots, and returns how many of them are filled.
int CDatagrams_receive(int descriptor, uint8_t *slots, CDatagrams_received *received);

// Sends bytes in datagrams of `segment` bytes each; the last one may be shorter. If the kernel or the device does not
// divide the bytes, `*is_batching` becomes 0, and each datagram takes a call. Returns the number of bytes sent; datagrams
// that are too large for the device count as sent, and as lost on the way.
ssize_t CDatagrams_send(
    int descriptor, const uint8_t *bytes, size_t count, size_t segment, const void *address, size_t address_size,
    int *is_batching);

// Sends one datagram that at most `hops` routers pass on. Returns the number of bytes sent.
ssize_t CDatagrams_send_near(
    int descriptor, const uint8_t *bytes, size_t count, const void *address, size_t address_size, int hops);

// A timer on the monotonic clock, as a descriptor that is readable once it has fired.
int CDatagrams_open_timer(void);
// Fires at this time; 0 for never.
void CDatagrams_set_timer(int descriptor, uint64_t nanoseconds);
// Clears what has fired.
void CDatagrams_clear_timer(int descriptor);

#endif

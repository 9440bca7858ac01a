#ifndef KACHERY_CNGTCP2_H
#define KACHERY_CNGTCP2_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// QUIC connections by ngtcp2 with GnuTLS, without I/O: packets pass in and out. C, because ngtcp2's calls are macros over
// versioned functions, and because versions 0.12 (Debian 12) and 1.x (Debian 13) differ in names, types and arguments.
// Times are nanoseconds of the monotonic clock.

// Bytes of the connection IDs that this side chooses. None begins with CNGTCP2_FORBIDDEN, so that no packet of an open
// connection can be taken for a message with the magic bytes 0B 6B 61 63, in which it would be the second byte.
#define CNGTCP2_ID 16
#define CNGTCP2_FORBIDDEN 0x6B
// Room for a socket address in the kernel's form.
#define CNGTCP2_ADDRESS 128
// The largest packet on a path of jumbo frames.
#define CNGTCP2_JUMBO 8952

typedef struct CNgtcp2_identity CNgtcp2_identity;
typedef struct CNgtcp2_connection CNgtcp2_connection;

// Calls to the owner of a connection, all from within the functions below; from within them, the owner may call only
// those that say so.
typedef struct {
  // Whether the node with this Ed25519 key, of 32 bytes, may be at the other end.
  int (*admits)(void *owner, const uint8_t *key);
  void (*established)(void *owner);
  void (*id_issued)(void *owner, const uint8_t *id);
  void (*id_retired)(void *owner, const uint8_t *id);
  void (*stream_opened)(void *owner, int64_t stream);
  void (*stream_received)(void *owner, int64_t stream, const uint8_t *bytes, size_t count, int is_last);
  void (*stream_acknowledged)(void *owner, int64_t stream, size_t count);
  void (*stream_writable)(void *owner, int64_t stream);
  void (*stream_reset)(void *owner, int64_t stream);
  void (*stream_closed)(void *owner, int64_t stream, int is_clean);
  void (*streams_available)(void *owner);
  void (*datagram)(void *owner, const uint8_t *bytes, size_t count);
  // The packet with this datagram has arrived, or is lost.
  void (*datagram_ended)(void *owner, uint64_t number, int has_arrived);
} CNgtcp2_events;

// The outcome of a call; of those with CNGTCP2_FAILED, the connection sends the reason by CNgtcp2_write_close.
enum {
  CNGTCP2_OK = 0,
  CNGTCP2_CLOSED_BY_PEER = 1,
  CNGTCP2_FAILED = 2,
  CNGTCP2_DROPPED = 3,
  CNGTCP2_TIMED_OUT = 4
};
// Results of CNgtcp2_write that are not the size of a packet.
enum { CNGTCP2_WRITE_MORE = -1, CNGTCP2_WRITE_BLOCKED = -2, CNGTCP2_WRITE_GONE = -3, CNGTCP2_WRITE_FAILED = -4 };

// An Ed25519 key in a self-signed certificate, and the only application protocol that its connections speak; NULL if
// GnuTLS refuses.
CNgtcp2_identity *CNgtcp2_identity_new(const uint8_t *seed, const uint8_t *key, const char *protocol);
void CNgtcp2_identity_free(CNgtcp2_identity *identity);

// Connections with this identity, which must outlive them, and this owner; NULL if ngtcp2 refuses.
//
// is_jumbo: whether packets may have up to CNGTCP2_JUMBO bytes. The caller then finds out what the path carries;
// otherwise ngtcp2 does, up to 1452.
CNgtcp2_connection *CNgtcp2_connect(
    CNgtcp2_identity *identity, const CNgtcp2_events *events, void *owner, const uint8_t *local, size_t local_size,
    const uint8_t *remote, size_t remote_size, int is_jumbo, uint64_t now);
// The same for the first packet of a client, which the caller then passes to CNgtcp2_read as well.
CNgtcp2_connection *CNgtcp2_accept(
    CNgtcp2_identity *identity, const CNgtcp2_events *events, void *owner, const uint8_t *local, size_t local_size,
    const uint8_t *remote, size_t remote_size, const uint8_t *packet, size_t size, const uint8_t *secret, int is_jumbo,
    uint64_t now);
void CNgtcp2_free(CNgtcp2_connection *connection);

// Finds the destination's connection ID in a packet. Returns its size, 0 if the packet is not of QUIC.
size_t CNgtcp2_destination(const uint8_t *packet, size_t size, const uint8_t **id);
// Whether a packet can be the first one of a client, and whether it has the proof of its address, made with this secret
// of 32 bytes.
int CNgtcp2_is_first(const uint8_t *packet, size_t size);
int CNgtcp2_has_proof(
    const uint8_t *packet, size_t size, const uint8_t *secret, const uint8_t *remote, size_t remote_size, uint64_t now);
// Writes the Retry packet that asks the sender of a first packet for the proof of its address. Returns its size, 0 if
// there is none.
size_t CNgtcp2_write_retry(
    const uint8_t *packet, size_t size, const uint8_t *secret, const uint8_t *remote, size_t remote_size,
    uint8_t *retry, size_t room, uint64_t now);

int CNgtcp2_read(
    CNgtcp2_connection *connection, const uint8_t *remote, size_t remote_size, const uint8_t *packet, size_t size,
    uint64_t now);
// Writes the next packet, with bytes of this stream, if it is not -1. `*taken` becomes the number of bytes taken, which
// must stay where they are until they are acknowledged or the stream is closed; -1 if the stream had no turn. After
// CNGTCP2_WRITE_MORE the packet has room for further streams.
ssize_t CNgtcp2_write(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, int64_t stream,
    const uint8_t *bytes, size_t count, int is_last, ssize_t *taken, uint64_t now);
// Writes a packet with bytes that are not sent again if they get lost. `*is_taken` becomes whether it holds them.
//
// number: what `datagram_ended` is called with later; 0 if the caller does not want to know.
ssize_t CNgtcp2_write_datagram(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size,
    const uint8_t *bytes, size_t count, uint64_t number, int *is_taken, uint64_t now);
// Writes a packet of padding that fills the room but for up to three bytes; otherwise as CNgtcp2_write_datagram.
ssize_t CNgtcp2_write_padding(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, uint64_t number,
    int *is_taken, uint64_t now);
// The largest packet of padding that the other end accepts.
size_t CNgtcp2_padding_limit(CNgtcp2_connection *connection);
// Writes the packet that ends the connection: for the reason of the last failure, or with an application's code.
ssize_t CNgtcp2_write_close(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, int is_failure,
    uint64_t code, uint64_t now);
// To be called after a number of packets were written.
void CNgtcp2_wrote(CNgtcp2_connection *connection, uint64_t now);

uint64_t CNgtcp2_expiry(CNgtcp2_connection *connection);
int CNgtcp2_handle_expiry(CNgtcp2_connection *connection, uint64_t now);
// The most bytes of a packet that the path may carry, as far as ngtcp2 knows.
size_t CNgtcp2_packet_size(CNgtcp2_connection *connection);
size_t CNgtcp2_send_quantum(CNgtcp2_connection *connection);
uint64_t CNgtcp2_send_window(CNgtcp2_connection *connection);
// The timeout after which a probe is sent: about a round trip and its variation.
uint64_t CNgtcp2_probe_timeout(CNgtcp2_connection *connection);

// The owner may call these from within events.
int64_t CNgtcp2_open_stream(CNgtcp2_connection *connection);
void CNgtcp2_reset_stream(CNgtcp2_connection *connection, int64_t stream);
void CNgtcp2_extend_stream(CNgtcp2_connection *connection, int64_t stream, size_t count);
int CNgtcp2_export(CNgtcp2_connection *connection, const char *label, uint8_t *bytes, size_t count);
// The public key that the other end has proved; NULL if it has not.
const uint8_t *CNgtcp2_peer(CNgtcp2_connection *connection);

// The code with which the peer has closed; -1 if it was not the application's.
int64_t CNgtcp2_peer_code(CNgtcp2_connection *connection);
// Why the connection failed, or the peer closed it.
const char *CNgtcp2_reason(CNgtcp2_connection *connection);

#endif

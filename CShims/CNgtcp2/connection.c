#include "connection.h"

#include <stdlib.h>
#include <string.h>

void CNgtcp2_free(CNgtcp2_connection *connection) {
  if (connection->conn != NULL) ngtcp2_conn_del(connection->conn);
  if (connection->session != NULL) gnutls_deinit(connection->session);
  free(connection);
}

size_t CNgtcp2_destination(const uint8_t *packet, size_t size, const uint8_t **id) {
  ngtcp2_version_cid header;
  // Without any byte, ngtcp2 ends the program.
  if (size == 0) return 0;
  if (ngtcp2_pkt_decode_version_cid(&header, packet, size, CNGTCP2_ID) != 0) return 0;
  *id = header.dcid;
  return header.dcidlen;
}

static int outcome(CNgtcp2_connection *connection, int result) {
  if (result == 0) return CNGTCP2_OK;
  connection->error = result;
  switch (result) {
    case NGTCP2_ERR_DRAINING: return CNGTCP2_CLOSED_BY_PEER;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_CLOSING: return CNGTCP2_DROPPED;
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: return CNGTCP2_TIMED_OUT;
    default: return CNGTCP2_FAILED;
  }
}

int CNgtcp2_read(
    CNgtcp2_connection *connection, const uint8_t *remote, size_t remote_size, const uint8_t *packet, size_t size,
    uint64_t now) {
  if (size == 0) return CNGTCP2_OK;
  ngtcp2_path path = path_to(connection, remote, remote_size);
  ngtcp2_pkt_info info = {0};
  return outcome(connection, ngtcp2_conn_read_pkt(connection->conn, &path, &info, packet, size, now));
}

static void report_path(const ngtcp2_path *path, uint8_t *remote, size_t *remote_size) {
  if (path->remote.addrlen == 0 || path->remote.addrlen > CNGTCP2_ADDRESS) return;
  memcpy(remote, path->remote.addr, path->remote.addrlen);
  *remote_size = path->remote.addrlen;
}

static ssize_t written(
    CNgtcp2_connection *connection, ngtcp2_ssize result, const ngtcp2_path *path, uint8_t *remote, size_t *remote_size) {
  if (result > 0) report_path(path, remote, remote_size);
  if (result >= 0) return result;
  switch (result) {
    case NGTCP2_ERR_WRITE_MORE: return CNGTCP2_WRITE_MORE;
    case NGTCP2_ERR_STREAM_DATA_BLOCKED: return CNGTCP2_WRITE_BLOCKED;
    case NGTCP2_ERR_STREAM_NOT_FOUND:
    case NGTCP2_ERR_STREAM_SHUT_WR: return CNGTCP2_WRITE_GONE;
    default: connection->error = (int)result; return CNGTCP2_WRITE_FAILED;
  }
}

ssize_t CNgtcp2_write(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, int64_t stream,
    const uint8_t *bytes, size_t count, int is_last, ssize_t *taken, uint64_t now) {
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info;
  ngtcp2_vec vector = {(uint8_t *)bytes, count};
  ngtcp2_ssize count_taken = -1;
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
  if (stream >= 0) flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;
  if (is_last) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
  ngtcp2_ssize result = ngtcp2_conn_writev_stream(
      connection->conn, &storage.path, &info, packet, room, &count_taken, flags, stream, &vector, count > 0 ? 1 : 0,
      now);
  *taken = count_taken;
  return written(connection, result, &storage.path, remote, remote_size);
}

ssize_t CNgtcp2_write_datagram(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size,
    const uint8_t *bytes, size_t count, uint64_t number, int *is_taken, uint64_t now) {
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info;
  ngtcp2_vec vector = {(uint8_t *)bytes, count};
  ngtcp2_ssize result = ngtcp2_conn_writev_datagram(
      connection->conn, &storage.path, &info, packet, room, is_taken, NGTCP2_WRITE_DATAGRAM_FLAG_NONE, number, &vector,
      1, now);
  return written(connection, result, &storage.path, remote, remote_size);
}

// The type and the length of a datagram (RFC 9221, section 4).
#define DATAGRAM_HEADER 3
// The rest of a packet: one byte of flags, the connection ID, the packet number, which ngtcp2 writes in one to four
// bytes, and the tag of the encryption (RFC 9000, section 17.3.1).
#define PACKET_OVERHEAD (1 + CNGTCP2_ID + 4 + 16)

ssize_t CNgtcp2_write_padding(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, uint64_t number,
    int *is_taken, uint64_t now) {
  static const uint8_t padding[CNGTCP2_JUMBO] = {0};
  *is_taken = 0;
  if (room < PACKET_OVERHEAD + DATAGRAM_HEADER || room > sizeof padding) return 0;
  return CNgtcp2_write_datagram(
      connection, packet, room, remote, remote_size, padding, room - PACKET_OVERHEAD - DATAGRAM_HEADER, number, is_taken,
      now);
}

size_t CNgtcp2_padding_limit(CNgtcp2_connection *connection) {
  const ngtcp2_transport_params *parameters = ngtcp2_conn_get_remote_transport_params(connection->conn);
  if (parameters == NULL || parameters->max_datagram_frame_size == 0) return 0;
  uint64_t limit = parameters->max_datagram_frame_size;
  limit = limit < CNGTCP2_JUMBO ? limit + PACKET_OVERHEAD : CNGTCP2_JUMBO;
  return (size_t)(limit < parameters->max_udp_payload_size ? limit : parameters->max_udp_payload_size);
}

ssize_t CNgtcp2_write_close(
    CNgtcp2_connection *connection, uint8_t *packet, size_t room, uint8_t *remote, size_t *remote_size, int is_failure,
    uint64_t code, uint64_t now) {
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info;
  close_error error;
  close_error_clear(&error);
  if (!is_failure) close_error_set_application(&error, code, NULL, 0);
  else if (connection->error == NGTCP2_ERR_CRYPTO)
    close_error_set_alert(&error, ngtcp2_conn_get_tls_alert(connection->conn), NULL, 0);
  else close_error_set_failure(&error, connection->error, NULL, 0);
  ngtcp2_ssize result =
      ngtcp2_conn_write_connection_close(connection->conn, &storage.path, &info, packet, room, &error, now);
  return written(connection, result, &storage.path, remote, remote_size);
}

void CNgtcp2_wrote(CNgtcp2_connection *connection, uint64_t now) {
  ngtcp2_conn_update_pkt_tx_time(connection->conn, now);
}

uint64_t CNgtcp2_expiry(CNgtcp2_connection *connection) { return ngtcp2_conn_get_expiry(connection->conn); }

int CNgtcp2_handle_expiry(CNgtcp2_connection *connection, uint64_t now) {
  return outcome(connection, ngtcp2_conn_handle_expiry(connection->conn, now));
}

size_t CNgtcp2_packet_size(CNgtcp2_connection *connection) {
  return ngtcp2_conn_get_max_tx_udp_payload_size(connection->conn);
}

size_t CNgtcp2_send_quantum(CNgtcp2_connection *connection) { return ngtcp2_conn_get_send_quantum(connection->conn); }

uint64_t CNgtcp2_send_window(CNgtcp2_connection *connection) {
  return ngtcp2_conn_get_max_data_left(connection->conn);
}

uint64_t CNgtcp2_probe_timeout(CNgtcp2_connection *connection) { return ngtcp2_conn_get_pto(connection->conn); }

int64_t CNgtcp2_open_stream(CNgtcp2_connection *connection) {
  int64_t stream = -1;
  return ngtcp2_conn_open_bidi_stream(connection->conn, &stream, NULL) == 0 ? stream : -1;
}

void CNgtcp2_reset_stream(CNgtcp2_connection *connection, int64_t stream) {
  CNgtcp2_shutdown_stream(connection->conn, stream);
}

void CNgtcp2_extend_stream(CNgtcp2_connection *connection, int64_t stream, size_t count) {
  ngtcp2_conn_extend_max_stream_offset(connection->conn, stream, count);
}

int CNgtcp2_export(CNgtcp2_connection *connection, const char *label, uint8_t *bytes, size_t count) {
  return gnutls_prf_rfc5705(connection->session, strlen(label), label, 0, NULL, count, (char *)bytes) == 0;
}

const uint8_t *CNgtcp2_peer(CNgtcp2_connection *connection) {
  return connection->is_established ? connection->peer : NULL;
}

int64_t CNgtcp2_peer_code(CNgtcp2_connection *connection) {
  close_error error = CNgtcp2_peer_close_error(connection->conn);
  return error.type == CLOSE_BY_APPLICATION ? (int64_t)error.error_code : -1;
}

const char *CNgtcp2_reason(CNgtcp2_connection *connection) {
  // A CRYPTO_ERROR holds the alert of TLS in its last byte (RFC 9001, section 4.8).
  uint8_t alert = ngtcp2_conn_get_tls_alert(connection->conn);
  if (connection->error == NGTCP2_ERR_DRAINING) {
    uint64_t code = CNgtcp2_peer_close_error(connection->conn).error_code;
    if (code >= 0x100 && code <= 0x1ff) alert = (uint8_t)code;
  }
  const char *name = alert != 0 ? gnutls_alert_get_name(alert) : NULL;
  return name != NULL ? name : ngtcp2_strerror(connection->error);
}

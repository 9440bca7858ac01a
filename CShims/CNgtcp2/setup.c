// How connections begin: first packets, Retry, settings, and what ngtcp2 calls.
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

// The most streams of a peer that are open at a time; further ones wait at the peer.
#define MAXIMUM_STREAMS 1024
// What a peer may send on a stream ahead of what is consumed, unless the stream's owner admits more.
#define STREAM_WINDOW (256 << 10)
// The most bytes of a connection that may be on their way or out of order.
#define CONNECTION_WINDOW (32 << 20)
#define MAXIMUM_IDLE_TIME (30 * NGTCP2_SECONDS)
// A fallback; the owner has its own limit.
#define HANDSHAKE_TIME (60 * NGTCP2_SECONDS)
#define RETRY_TIME (10 * NGTCP2_SECONDS)
#define SECRET 32

int choose_id(ngtcp2_cid *id) {
  id->datalen = CNGTCP2_ID;
  do
    if (gnutls_rnd(GNUTLS_RND_RANDOM, id->data, CNGTCP2_ID) < 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  while (id->data[0] == CNGTCP2_FORBIDDEN);
  return 0;
}

ngtcp2_path path_to(CNgtcp2_connection *connection, const uint8_t *remote, size_t remote_size) {
  return (ngtcp2_path){
      .local = {(ngtcp2_sockaddr *)connection->local, (ngtcp2_socklen)connection->local_size},
      .remote = {(ngtcp2_sockaddr *)remote, (ngtcp2_socklen)remote_size}};
}

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *reference) {
  return ((CNgtcp2_connection *)reference->user_data)->conn;
}

static int verify(gnutls_session_t session) {
  ngtcp2_crypto_conn_ref *reference = gnutls_session_get_ptr(session);
  CNgtcp2_connection *connection = reference->user_data;
  if (!identity_of_peer(session, connection->peer)) return -1;
  return connection->events.admits(connection->owner, connection->peer) ? 0 : -1;
}

static void fill_random(uint8_t *bytes, size_t count, const ngtcp2_rand_ctx *context) {
  (void)context;
  gnutls_rnd(GNUTLS_RND_RANDOM, bytes, count);
}

static int new_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t size, void *user) {
  (void)conn, (void)size;
  CNgtcp2_connection *connection = user;
  // No stateless reset is ever sent; the token only has to be unguessable.
  if (choose_id(id) != 0 || gnutls_rnd(GNUTLS_RND_RANDOM, token, NGTCP2_STATELESS_RESET_TOKENLEN) < 0)
    return NGTCP2_ERR_CALLBACK_FAILURE;
  connection->events.id_issued(connection->owner, id->data);
  return 0;
}

static int id_retired(ngtcp2_conn *conn, const ngtcp2_cid *id, void *user) {
  (void)conn;
  CNgtcp2_connection *connection = user;
  if (id->datalen == CNGTCP2_ID) connection->events.id_retired(connection->owner, id->data);
  return 0;
}

static int established(ngtcp2_conn *conn, void *user) {
  (void)conn;
  CNgtcp2_connection *connection = user;
  connection->is_established = 1;
  connection->events.established(connection->owner);
  return 0;
}

static int stream_opened(ngtcp2_conn *conn, int64_t stream, void *user) {
  (void)conn;
  CNgtcp2_connection *connection = user;
  connection->events.stream_opened(connection->owner, stream);
  return 0;
}

static int received(
    ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t offset, const uint8_t *bytes, size_t count, void *user,
    void *stream_user) {
  (void)offset, (void)stream_user;
  CNgtcp2_connection *connection = user;
  // The windows of the streams bound what their readers have to hold.
  ngtcp2_conn_extend_max_offset(conn, count);
  int is_last = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
  connection->events.stream_received(connection->owner, stream, bytes, count, is_last);
  return 0;
}

static int acknowledged(
    ngtcp2_conn *conn, int64_t stream, uint64_t offset, uint64_t count, void *user, void *stream_user) {
  (void)conn, (void)offset, (void)stream_user;
  CNgtcp2_connection *connection = user;
  connection->events.stream_acknowledged(connection->owner, stream, count);
  return 0;
}

static int writable(ngtcp2_conn *conn, int64_t stream, uint64_t limit, void *user, void *stream_user) {
  (void)conn, (void)limit, (void)stream_user;
  CNgtcp2_connection *connection = user;
  connection->events.stream_writable(connection->owner, stream);
  return 0;
}

static int stream_reset(
    ngtcp2_conn *conn, int64_t stream, uint64_t size, uint64_t code, void *user, void *stream_user) {
  (void)conn, (void)size, (void)code, (void)stream_user;
  CNgtcp2_connection *connection = user;
  connection->events.stream_reset(connection->owner, stream);
  return 0;
}

static int stream_closed(
    ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t code, void *user, void *stream_user) {
  (void)code, (void)stream_user;
  CNgtcp2_connection *connection = user;
  if (!ngtcp2_conn_is_local_stream(conn, stream)) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
  int is_clean = !(flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET);
  connection->events.stream_closed(connection->owner, stream, is_clean);
  return 0;
}

static int streams_available(ngtcp2_conn *conn, uint64_t most, void *user) {
  (void)conn, (void)most;
  CNgtcp2_connection *connection = user;
  if (connection->is_established) connection->events.streams_available(connection->owner);
  return 0;
}

static int datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *bytes, size_t count, void *user) {
  (void)conn, (void)flags;
  CNgtcp2_connection *connection = user;
  connection->events.datagram(connection->owner, bytes, count);
  return 0;
}

static int datagram_arrived(ngtcp2_conn *conn, uint64_t number, void *user) {
  (void)conn;
  CNgtcp2_connection *connection = user;
  if (number != 0) connection->events.datagram_ended(connection->owner, number, 1);
  return 0;
}

static int datagram_lost(ngtcp2_conn *conn, uint64_t number, void *user) {
  (void)conn;
  CNgtcp2_connection *connection = user;
  if (number != 0) connection->events.datagram_ended(connection->owner, number, 0);
  return 0;
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .rand = fill_random,
    .get_new_connection_id = new_id,
    .remove_connection_id = id_retired,
    .handshake_completed = established,
    .stream_open = stream_opened,
    .recv_stream_data = received,
    .acked_stream_data_offset = acknowledged,
    .extend_max_stream_data = writable,
    .stream_reset = stream_reset,
    .stream_close = stream_closed,
    .extend_max_local_streams_bidi = streams_available,
    .recv_datagram = datagram,
    .ack_datagram = datagram_arrived,
    .lost_datagram = datagram_lost,
};

static void set_up(ngtcp2_settings *settings, ngtcp2_transport_params *parameters, int is_jumbo, uint64_t now) {
  ngtcp2_settings_default(settings);
  settings->initial_ts = now;
  settings->cc_algo = NGTCP2_CC_ALGO_BBR;
  settings->handshake_timeout = HANDSHAKE_TIME;
  if (is_jumbo) {
    settings->max_tx_udp_payload_size = CNGTCP2_JUMBO;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->no_pmtud = 1;
  }
  ngtcp2_transport_params_default(parameters);
  parameters->initial_max_data = CONNECTION_WINDOW;
  parameters->initial_max_stream_data_bidi_local = STREAM_WINDOW;
  parameters->initial_max_stream_data_bidi_remote = STREAM_WINDOW;
  parameters->initial_max_streams_bidi = MAXIMUM_STREAMS;
  parameters->max_idle_timeout = MAXIMUM_IDLE_TIME;
  parameters->max_datagram_frame_size = CNGTCP2_JUMBO;
  parameters->disable_active_migration = 1;
}

static CNgtcp2_connection *new_connection(
    CNgtcp2_identity *identity, int is_server, const CNgtcp2_events *events, void *owner, const uint8_t *local,
    size_t local_size) {
  CNgtcp2_connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL || local_size > sizeof connection->local) {
    free(connection);
    return NULL;
  }
  connection->events = *events;
  connection->owner = owner;
  connection->local_size = local_size;
  memcpy(connection->local, local, local_size);
  connection->reference = (ngtcp2_crypto_conn_ref){conn_of, connection};
  if (identity_session(identity, is_server, &connection->session) < 0) {
    CNgtcp2_free(connection);
    return NULL;
  }
  gnutls_session_set_ptr(connection->session, &connection->reference);
  gnutls_session_set_verify_function(connection->session, verify);
  return connection;
}

static CNgtcp2_connection *begin(CNgtcp2_connection *connection, int result, const ngtcp2_cid *id) {
  if (result != 0) {
    CNgtcp2_free(connection);
    return NULL;
  }
  ngtcp2_conn_set_tls_native_handle(connection->conn, connection->session);
  connection->events.id_issued(connection->owner, id->data);
  return connection;
}

CNgtcp2_connection *CNgtcp2_connect(
    CNgtcp2_identity *identity, const CNgtcp2_events *events, void *owner, const uint8_t *local, size_t local_size,
    const uint8_t *remote, size_t remote_size, int is_jumbo, uint64_t now) {
  CNgtcp2_connection *connection = new_connection(identity, 0, events, owner, local, local_size);
  if (connection == NULL) return NULL;
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  set_up(&settings, &parameters, is_jumbo, now);
  ngtcp2_cid destination, source;
  int result = choose_id(&destination) != 0 || choose_id(&source) != 0 ? NGTCP2_ERR_INTERNAL : 0;
  ngtcp2_path path = path_to(connection, remote, remote_size);
  if (result == 0)
    result = ngtcp2_conn_client_new(
        &connection->conn, &destination, &source, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &parameters, NULL,
        connection);
  return begin(connection, result, &source);
}

// The header of a client's first packet, and what its token proves: 1 an address, 0 nothing, -1 that the packet is none.
static int read_first(
    const uint8_t *packet, size_t size, const uint8_t *secret, const uint8_t *remote, size_t remote_size, uint64_t now,
    ngtcp2_pkt_hd *header, ngtcp2_cid *first_destination) {
  if (size == 0 || ngtcp2_accept(header, packet, size) != 0) return -1;
  ngtcp2_vec token = CNgtcp2_token_of(header);
  if (token.len == 0 || token.base[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) return 0;
  int result = ngtcp2_crypto_verify_retry_token(
      first_destination, token.base, token.len, secret, SECRET, header->version, (const ngtcp2_sockaddr *)remote,
      (ngtcp2_socklen)remote_size, &header->dcid, RETRY_TIME, now);
  return result == 0 ? 1 : 0;
}

CNgtcp2_connection *CNgtcp2_accept(
    CNgtcp2_identity *identity, const CNgtcp2_events *events, void *owner, const uint8_t *local, size_t local_size,
    const uint8_t *remote, size_t remote_size, const uint8_t *packet, size_t size, const uint8_t *secret, int is_jumbo,
    uint64_t now) {
  ngtcp2_pkt_hd header;
  ngtcp2_cid first_destination;
  int proof = read_first(packet, size, secret, remote, remote_size, now, &header, &first_destination);
  if (proof < 0) return NULL;
  CNgtcp2_connection *connection = new_connection(identity, 1, events, owner, local, local_size);
  if (connection == NULL) return NULL;
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  set_up(&settings, &parameters, is_jumbo, now);
  if (proof > 0) {
    CNgtcp2_set_token(&settings, CNgtcp2_token_of(&header));
    parameters.retry_scid = header.dcid;
    parameters.retry_scid_present = 1;
  }
  CNgtcp2_set_first_destination(&parameters, proof > 0 ? &first_destination : &header.dcid);
  ngtcp2_cid source;
  int result = choose_id(&source);
  ngtcp2_path path = path_to(connection, remote, remote_size);
  if (result == 0)
    result = ngtcp2_conn_server_new(
        &connection->conn, &header.scid, &source, &path, header.version, &callbacks, &settings, &parameters, NULL,
        connection);
  return begin(connection, result, &source);
}

int CNgtcp2_is_first(const uint8_t *packet, size_t size) {
  ngtcp2_pkt_hd header;
  return size > 0 && ngtcp2_accept(&header, packet, size) == 0;
}

int CNgtcp2_has_proof(
    const uint8_t *packet, size_t size, const uint8_t *secret, const uint8_t *remote, size_t remote_size,
    uint64_t now) {
  ngtcp2_pkt_hd header;
  ngtcp2_cid first_destination;
  return read_first(packet, size, secret, remote, remote_size, now, &header, &first_destination) > 0;
}

size_t CNgtcp2_write_retry(
    const uint8_t *packet, size_t size, const uint8_t *secret, const uint8_t *remote, size_t remote_size,
    uint8_t *retry, size_t room, uint64_t now) {
  ngtcp2_pkt_hd header;
  ngtcp2_cid source;
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
  if (size == 0 || ngtcp2_accept(&header, packet, size) != 0 || choose_id(&source) != 0) return 0;
  ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
      token, secret, SECRET, header.version, (const ngtcp2_sockaddr *)remote, (ngtcp2_socklen)remote_size, &source,
      &header.dcid, now);
  if (token_size < 0) return 0;
  ngtcp2_ssize count = ngtcp2_crypto_write_retry(
      retry, room, header.version, &header.scid, &source, &header.dcid, token, (size_t)token_size);
  return count < 0 ? 0 : (size_t)count;
}

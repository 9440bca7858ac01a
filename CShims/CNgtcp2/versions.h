// What differs between ngtcp2 0.12 (Debian 12) and 1.x (Debian 13).
#ifndef KACHERY_CNGTCP2_VERSIONS_H
#define KACHERY_CNGTCP2_VERSIONS_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#if NGTCP2_VERSION_NUM < 0x010000

typedef ngtcp2_connection_close_error close_error;
#define close_error_clear ngtcp2_connection_close_error_default
#define close_error_set_application ngtcp2_connection_close_error_set_application_error
#define close_error_set_failure ngtcp2_connection_close_error_set_transport_error_liberr
#define close_error_set_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define CLOSE_BY_APPLICATION NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION

// Names and arguments of 0.12.
static inline close_error CNgtcp2_peer_close_error(ngtcp2_conn *connection) {
  close_error error;
  ngtcp2_conn_get_connection_close_error(connection, &error);
  return error;
}
static inline int CNgtcp2_shutdown_stream(ngtcp2_conn *connection, int64_t stream) {
  return ngtcp2_conn_shutdown_stream(connection, stream, 0);
}
static inline ngtcp2_vec CNgtcp2_token_of(const ngtcp2_pkt_hd *header) { return header->token; }
static inline void CNgtcp2_set_token(ngtcp2_settings *settings, ngtcp2_vec token) { settings->token = token; }
static inline void CNgtcp2_set_first_destination(ngtcp2_transport_params *parameters, const ngtcp2_cid *id) {
  parameters->original_dcid = *id;
}

#else

typedef ngtcp2_ccerr close_error;
#define close_error_clear ngtcp2_ccerr_default
#define close_error_set_application ngtcp2_ccerr_set_application_error
#define close_error_set_failure ngtcp2_ccerr_set_liberr
#define close_error_set_alert ngtcp2_ccerr_set_tls_alert
#define CLOSE_BY_APPLICATION NGTCP2_CCERR_TYPE_APPLICATION

// Names and arguments of 1.x.
static inline close_error CNgtcp2_peer_close_error(ngtcp2_conn *connection) { return *ngtcp2_conn_get_ccerr(connection); }
static inline int CNgtcp2_shutdown_stream(ngtcp2_conn *connection, int64_t stream) {
  return ngtcp2_conn_shutdown_stream(connection, 0, stream, 0);
}
static inline ngtcp2_vec CNgtcp2_token_of(const ngtcp2_pkt_hd *header) {
  return (ngtcp2_vec){(uint8_t *)header->token, header->tokenlen};
}
static inline void CNgtcp2_set_token(ngtcp2_settings *settings, ngtcp2_vec token) {
  settings->token = token.base;
  settings->tokenlen = token.len;
  settings->token_type = token.len > 0 ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_UNKNOWN;
}
// Without the flag, ngtcp2_conn_server_new ends the program.
static inline void CNgtcp2_set_first_destination(ngtcp2_transport_params *parameters, const ngtcp2_cid *id) {
  parameters->original_dcid = *id;
  parameters->original_dcid_present = 1;
}

#endif

#endif

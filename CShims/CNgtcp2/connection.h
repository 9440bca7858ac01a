#ifndef KACHERY_CNGTCP2_CONNECTION_H
#define KACHERY_CNGTCP2_CONNECTION_H

#include "identity.h"
#include "versions.h"

struct CNgtcp2_connection {
  ngtcp2_conn *conn;
  gnutls_session_t session;
  ngtcp2_crypto_conn_ref reference;
  CNgtcp2_events events;
  void *owner;
  int error;  // of ngtcp2, the last one
  int is_established;
  uint8_t peer[32];
  size_t local_size;
  uint8_t local[CNGTCP2_ADDRESS];
};

// Fills a connection ID of this side with random bytes.
int choose_id(ngtcp2_cid *id);
ngtcp2_path path_to(CNgtcp2_connection *connection, const uint8_t *remote, size_t remote_size);

#endif

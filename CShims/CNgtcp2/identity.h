#ifndef KACHERY_CNGTCP2_IDENTITY_H
#define KACHERY_CNGTCP2_IDENTITY_H

#include <gnutls/gnutls.h>
#include <stdint.h>

#include "CNgtcp2.h"

struct CNgtcp2_identity {
  gnutls_certificate_credentials_t credentials;
  char *protocol;
};

// A session of this identity; 0 or an error of GnuTLS.
int identity_session(CNgtcp2_identity *identity, int is_server, gnutls_session_t *session);
// The Ed25519 key of the only certificate of the other end, of 32 bytes; 0 if there is another number of certificates,
// or another kind of key. TLS itself proves that the other end has the private key.
int identity_of_peer(gnutls_session_t session, uint8_t *key);

#endif

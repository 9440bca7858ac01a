#include "identity.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "%DISABLE_TLS13_COMPAT_MODE";

// The certificate's other contents mean nothing: the key is the identity.
static int make_certificate(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key) {
  static const char name[] = "kachery node";
  unsigned char serial[8];
  if (gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial) < 0) return -1;
  serial[0] = (serial[0] & 0x7f) | 1;
  time_t now = time(NULL);
  if (gnutls_x509_crt_set_version(certificate, 3) < 0 ||
      gnutls_x509_crt_set_serial(certificate, serial, sizeof serial) < 0 ||
      gnutls_x509_crt_set_activation_time(certificate, now) < 0 ||
      gnutls_x509_crt_set_expiration_time(certificate, now + (time_t)36500 * 86400) < 0 ||
      gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, sizeof name - 1) < 0 ||
      gnutls_x509_crt_set_key(certificate, key) < 0)
    return -1;
  return gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA512, 0);
}

CNgtcp2_identity *CNgtcp2_identity_new(const uint8_t *seed, const uint8_t *public_key, const char *protocol) {
  CNgtcp2_identity *identity = calloc(1, sizeof *identity);
  if (identity == NULL) return NULL;
  gnutls_x509_privkey_t key = NULL;
  gnutls_x509_crt_t certificate = NULL;
  gnutls_datum_t secret = {(unsigned char *)seed, 32}, point = {(unsigned char *)public_key, 32};
  identity->protocol = strdup(protocol);
  int is_made = identity->protocol != NULL && gnutls_x509_privkey_init(&key) >= 0 &&
                gnutls_x509_crt_init(&certificate) >= 0 &&
                gnutls_x509_privkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &point, NULL, &secret) >= 0 &&
                make_certificate(certificate, key) >= 0 &&
                gnutls_certificate_allocate_credentials(&identity->credentials) >= 0 &&
                gnutls_certificate_set_x509_key(identity->credentials, &certificate, 1, key) >= 0;
  if (certificate != NULL) gnutls_x509_crt_deinit(certificate);
  if (key != NULL) gnutls_x509_privkey_deinit(key);
  if (is_made) return identity;
  CNgtcp2_identity_free(identity);
  return NULL;
}

void CNgtcp2_identity_free(CNgtcp2_identity *identity) {
  if (identity->credentials != NULL) gnutls_certificate_free_credentials(identity->credentials);
  free(identity->protocol);
  free(identity);
}

int identity_session(CNgtcp2_identity *identity, int is_server, gnutls_session_t *session) {
  int result = gnutls_init(session, (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_AUTO_SEND_TICKET);
  if (result < 0) return result;
  gnutls_datum_t protocol = {(unsigned char *)identity->protocol, (unsigned)strlen(identity->protocol)};
  if ((result = gnutls_priority_set_direct(*session, priorities, NULL)) < 0) return result;
  if (is_server) result = ngtcp2_crypto_gnutls_configure_server_session(*session);
  else result = ngtcp2_crypto_gnutls_configure_client_session(*session);
  if (result < 0) return result;
  if ((result = gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, identity->credentials)) < 0) return result;
  if (is_server) gnutls_certificate_server_set_request(*session, GNUTLS_CERT_REQUIRE);
  return gnutls_alpn_set_protocols(*session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
}

int identity_of_peer(gnutls_session_t session, uint8_t *key) {
  unsigned count = 0;
  const gnutls_datum_t *certificates = gnutls_certificate_get_peers(session, &count);
  if (certificates == NULL || count != 1) return 0;
  gnutls_x509_crt_t certificate = NULL;
  gnutls_pubkey_t public_key = NULL;
  gnutls_datum_t point = {NULL, 0};
  gnutls_ecc_curve_t curve;
  int is_known = gnutls_x509_crt_init(&certificate) >= 0 && gnutls_pubkey_init(&public_key) >= 0 &&
                 gnutls_x509_crt_import(certificate, certificates, GNUTLS_X509_FMT_DER) >= 0 &&
                 gnutls_pubkey_import_x509(public_key, certificate, 0) >= 0 &&
                 gnutls_pubkey_export_ecc_raw(public_key, &curve, &point, NULL) >= 0 &&
                 curve == GNUTLS_ECC_CURVE_ED25519 && point.size == 32;
  if (is_known) memcpy(key, point.data, 32);
  gnutls_free(point.data);
  if (public_key != NULL) gnutls_pubkey_deinit(public_key);
  if (certificate != NULL) gnutls_x509_crt_deinit(certificate);
  return is_known;
}

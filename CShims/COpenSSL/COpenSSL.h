#ifndef KACHERY_COPENSSL_H
#define KACHERY_COPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// OpenSSL 3 deprecates the low-level SHA-1 calls, but only they keep the state in a plain struct, which can be copied
// without an allocation to roll back a damaged chunk.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline void COpenSSL_sha1_init(SHA_CTX *state) { SHA1_Init(state); }
static inline void COpenSSL_sha1_update(SHA_CTX *state, const void *bytes, size_t count) {
  SHA1_Update(state, bytes, count);
}
static inline void COpenSSL_sha1_final(unsigned char *digest, SHA_CTX *state) { SHA1_Final(digest, state); }
#pragma GCC diagnostic pop

// The others are macros, which Swift cannot see.
static inline int COpenSSL_set_minimum_version(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline void COpenSSL_set_mode(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
}
static inline int COpenSSL_releases_buffers(const SSL *session) {
  return (SSL_get_mode(session) & SSL_MODE_RELEASE_BUFFERS) != 0;
}
static inline void COpenSSL_set_server_name(SSL *session, const char *name) { SSL_set_tlsext_host_name(session, name); }
static inline void COpenSSL_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void COpenSSL_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
// EVP_EC_gen is a macro over a variadic function.
static inline EVP_PKEY *COpenSSL_new_p256_key(void) { return EVP_EC_gen("P-256"); }
// The context is a struct that macros initialize.
static inline int COpenSSL_add_extension(X509 *certificate, int kind, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
  if (extension == NULL) return 0;
  int result = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return result;
}
static inline unsigned long COpenSSL_last_error(void) { return ERR_peek_last_error(); }

#endif

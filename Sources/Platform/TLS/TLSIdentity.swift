internal import COpenSSL
package import Crypto
package import Primitives

/// A node's identity in TLS handshakes: a self-signed certificate on its own key. No authority is involved; the key is
/// the identity.
///
/// `@unchecked Sendable`: the context does not change after `init`, and OpenSSL locks its reference counts.
// OpenSSL documents that an SSL_CTX may be shared once it is no longer changed.
package final class TLSIdentity: @unchecked Sendable {
  let context: OpaquePointer
  let applicationProtocol: [UInt8]

  /// An identity for links that speak `applicationProtocol` (ALPN, RFC 7301).
  package init(key: SigningKey, applicationProtocol: String = "kachery/1") throws(KacheryError) {
    ERR_clear_error()
    guard let context = SSL_CTX_new(TLS_method()) else { throw TLSError.capture("TLS cannot be set up") }
    self.context = context
    let name = Array(applicationProtocol.utf8)
    self.applicationProtocol = [UInt8(name.count)] + name
    try configure()
    try installCertificate(for: key)
  }

  deinit { SSL_CTX_free(context) }

  private func configure() throws(KacheryError) {
    guard COpenSSL_set_minimum_version(context, TLS1_3_VERSION) == 1,
      SSL_CTX_set_ciphersuites(
        context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1,
      SSL_CTX_set_num_tickets(context, 0) == 1,
      SSL_CTX_set_alpn_protos(context, applicationProtocol, UInt32(applicationProtocol.count)) == 0
    else { throw TLSError.capture("TLS cannot be set up") }
    // Without it, every idle session holds two buffers of 16 KiB.
    COpenSSL_set_mode(context)
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    SSL_CTX_set_cert_verify_callback(
      context,
      { store, _ in
        guard let id = PeerCertificate.nodeID(provedBy: store), let session = TLSSession.checking(store) else {
          return 0
        }
        return session.admits(id) ? 1 : 0
      }, nil)
    SSL_CTX_set_alpn_select_cb(
      context,
      { _, chosen, chosenCount, offered, offeredCount, data in
        guard let chosen, let chosenCount, let data else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let identity = Unmanaged<TLSIdentity>.fromOpaque(data).takeUnretainedValue()
        let known = identity.applicationProtocol
        var match: UnsafeMutablePointer<UInt8>?
        let result = SSL_select_next_proto(&match, chosenCount, offered, offeredCount, known, UInt32(known.count))
        // On success the match points into the client's offer, which lives as long as the handshake.
        guard result == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        chosen.pointee = UnsafePointer(match)
        return SSL_TLSEXT_ERR_OK
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func installCertificate(for key: SigningKey) throws(KacheryError) {
    let seed = key.seed
    guard let raw = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count), let certificate = X509_new()
    else { throw TLSError.capture("The node's certificate cannot be made") }
    defer {
      EVP_PKEY_free(raw)
      X509_free(certificate)
    }
    let name = X509_get_subject_name(certificate)
    let common = Array("kachery node".utf8)
    // The other side does not check the times: the key alone is the identity, and clocks in labs are often wrong.
    guard X509_set_version(certificate, 2) == 1,
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), SecureRandom().next() >> 1) == 1,
      X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != nil,
      X509_time_adj_ex(X509_getm_notAfter(certificate), 36_500, 0, nil) != nil,
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common, Int32(common.count), -1, 0) == 1,
      X509_set_issuer_name(certificate, name) == 1, X509_set_pubkey(certificate, raw) == 1,
      X509_sign(certificate, raw, nil) > 0, SSL_CTX_use_certificate(context, certificate) == 1,
      SSL_CTX_use_PrivateKey(context, raw) == 1
    else { throw TLSError.capture("The node's certificate cannot be made") }
  }
}

/// Reads OpenSSL's error queue, which is per thread.
enum TLSError {
  /// The error with OpenSSL's messages for the last call on this thread. Clears the queue.
  static func capture(_ problem: String) -> KacheryError {
    let number = COpenSSL_last_error()
    ERR_clear_error()
    let reason = number == 0 ? nil : ERR_reason_error_string(number).map { String(cString: $0) }
    return KacheryError(.protocolViolation, reason.map { "\(problem): \($0)." } ?? "\(problem).")
  }
}

internal import COpenSSL
package import Primitives

/// A client's session with a server whose certificate is not checked, without I/O. It carries another session, which proves
/// what has to be proved; a party in between can read what is outside of that one.
package final class UnverifiedTLSSession {
  /// Whether the handshake is complete.
  package private(set) var isEstablished = false
  /// Whether the other side ended the session with close_notify.
  package private(set) var isClosedByPeer = false

  private let session: OpaquePointer
  private let pipe = TLSPipe()

  /// A session with the server of this name, whose handshake starts immediately.
  ///
  /// - Parameter applicationProtocol: the only protocol that is offered (ALPN, RFC 7301).
  package init(server name: String, applicationProtocol: String) throws(KacheryError) {
    ERR_clear_error()
    guard let context = SSL_CTX_new(TLS_client_method()) else { throw TLSError.capture("TLS cannot be set up") }
    // The session keeps the context.
    defer { SSL_CTX_free(context) }
    let offer = [UInt8(applicationProtocol.utf8.count)] + Array(applicationProtocol.utf8)
    guard COpenSSL_set_minimum_version(context, TLS1_2_VERSION) == 1,
      SSL_CTX_set_alpn_protos(context, offer, UInt32(offer.count)) == 0
    else { throw TLSError.capture("TLS cannot be set up") }
    COpenSSL_set_mode(context)
    guard let session = SSL_new(context) else { throw TLSError.capture("TLS cannot be set up") }
    self.session = session
    SSL_set_verify(session, SSL_VERIFY_NONE, nil)
    let bio = pipe.makeBIO()
    // The session owns the BIO from now on; one reference serves both directions.
    SSL_set_bio(session, bio, bio)
    // An address is not sent as a name (RFC 6066, section 3).
    if IPAddress(name) == nil { COpenSSL_set_server_name(session, name) }
    SSL_set_connect_state(session)
    try handshake()
  }

  deinit { SSL_free(session) }

  private func handshake() throws(KacheryError) {
    ERR_clear_error()
    let result = SSL_do_handshake(session)
    if result == 1 {
      isEstablished = true
    } else if SSL_get_error(session, result) != SSL_ERROR_WANT_READ {
      throw TLSError.capture("The TLS handshake with the server failed")
    }
  }

  /// Processes ciphertext: continues the handshake, and passes available plaintext to `deliver` through `scratch`.
  ///
  /// - Throws: `protocolViolation`; the session is then unusable.
  package func receive(
    _ ciphertext: UnsafeRawBufferPointer, scratch: UnsafeMutableRawBufferPointer,
    _ deliver: (UnsafeRawBufferPointer) -> Void
  ) throws(KacheryError) {
    pipe.input = ciphertext[...]
    defer { pipe.input = pipe.input.prefix(0) }
    if !isEstablished { try handshake() }
    guard isEstablished, !isClosedByPeer else { return }
    isClosedByPeer = try TLSRecords.read(
      from: session, scratch: scratch, orThrow: "The encrypted connection to the server broke", deliver)
  }

  /// Encrypts bytes into the output. Allowed only once the session is established.
  package func write(_ plaintext: UnsafeRawBufferPointer) throws(KacheryError) {
    try TLSRecords.write(plaintext, to: session, orThrow: "The encrypted connection to the server cannot be written to")
  }

  /// Passes the output to `send` and clears it. The pointer is valid only during the call.
  package func drainOutput(_ send: (UnsafeRawBufferPointer) -> Void) { pipe.drainOutput(send) }
}

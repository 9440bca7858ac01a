internal import COpenSSL
package import Primitives

/// One end of a TLS 1.3 connection, without I/O: ciphertext passes in and out through its methods.
///
///     handshaking ──both sides proved──▶ established ──close_notify, or an error──▶ closed
package final class TLSSession {
  /// Which end of the handshake this is.
  package enum Role: Sendable { case client, server }

  /// The node at the other end; nil until both sides have proved their IDs.
  package private(set) var peer: NodeID?
  /// Whether the other side ended the session with close_notify.
  package private(set) var isClosedByPeer = false

  private let session: OpaquePointer
  private let pipe = TLSPipe()
  private let identity: TLSIdentity
  private let role: Role
  private let expectedPeer: NodeID?
  /// The node that answered instead of the expected peer.
  private var stranger: NodeID?
  /// The index that OpenSSL reserves for the application.
  private static let ownIndex: Int32 = 0

  /// Creates a session that starts with a handshake. A client's first bytes are in the output immediately.
  ///
  /// - Parameter expectedPeer: the required node at the other end; nil for any node that proves an ID.
  package init(identity: TLSIdentity, role: Role, expectedPeer: NodeID? = nil) throws(KacheryError) {
    ERR_clear_error()
    guard let session = SSL_new(identity.context) else { throw TLSError.capture("A TLS session cannot be set up") }
    self.session = session
    self.identity = identity
    self.role = role
    self.expectedPeer = expectedPeer
    let bio = pipe.makeBIO()
    // The session owns the BIO from now on; one reference serves both directions.
    SSL_set_bio(session, bio, bio)
    // Unretained: the OpenSSL session does not outlive this object, whose deinit frees it.
    SSL_set_ex_data(session, Self.ownIndex, Unmanaged.passUnretained(self).toOpaque())
    if role == .client { SSL_set_connect_state(session) } else { SSL_set_accept_state(session) }
    if role == .client { try handshake() }
  }

  deinit { SSL_free(session) }

  package var isEstablished: Bool { peer != nil }
  /// Whether an idle session returns its buffers of 16 KiB for each direction.
  var releasesBuffers: Bool { COpenSSL_releases_buffers(session) != 0 }

  /// Processes ciphertext: continues the handshake, and passes available plaintext to `deliver` through `scratch`.
  ///
  /// - Parameter deliver: called for each piece of plaintext; its pointer is valid only during the call.
  /// - Throws: if the other side violates the protocol, is not the expected node, or sends bytes that were tampered
  ///   with. The session is then unusable, but its output may contain an alert for the other side.
  package func receive(
    _ ciphertext: UnsafeRawBufferPointer, scratch: UnsafeMutableRawBufferPointer,
    _ deliver: (UnsafeRawBufferPointer) -> Void
  ) throws(KacheryError) {
    pipe.input = ciphertext[...]
    defer { pipe.input = pipe.input.prefix(0) }
    if !isEstablished { try handshake() }
    guard isEstablished, !isClosedByPeer else { return }
    isClosedByPeer = try TLSRecords.read(
      from: session, scratch: scratch, orThrow: "The encrypted connection broke", deliver)
  }

  private func handshake() throws(KacheryError) {
    ERR_clear_error()
    let result = SSL_do_handshake(session)
    guard result != 1 else { return try identifyPeer() }
    guard SSL_get_error(session, result) != SSL_ERROR_WANT_READ else { return }
    let failure = TLSError.capture("The handshake failed")
    guard let stranger, let expectedPeer else { throw failure }
    throw KacheryError(
      .protocolViolation, "The node that answered is \(stranger.short), not \(expectedPeer.short) as expected.",
      cause: failure)
  }

  /// The session whose handshake is verifying this certificate.
  static func checking(_ store: OpaquePointer?) -> TLSSession? {
    guard let session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
      let own = SSL_get_ex_data(OpaquePointer(session), ownIndex)
    else { return nil }
    return Unmanaged<TLSSession>.fromOpaque(own).takeUnretainedValue()
  }

  /// Whether this node may be at the other end. Called during the handshake, so that only the expected peer learns this
  /// node's ID.
  func admits(_ id: NodeID) -> Bool {
    guard let expectedPeer, expectedPeer != id else { return true }
    stranger = id
    return false
  }

  private func identifyPeer() throws(KacheryError) {
    var chosen: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(session, &chosen, &count)
    guard UnsafeBufferPointer(start: chosen, count: Int(count)).elementsEqual(identity.applicationProtocol.dropFirst())
    else { throw KacheryError(.protocolViolation, "The other side does not support this protocol.") }
    guard let certificate = SSL_get0_peer_certificate(session), let id = PeerCertificate.nodeID(in: certificate) else {
      throw TLSError.capture("The other side did not prove a node ID")
    }
    peer = id
  }

  /// Encrypts bytes into the output. Allowed only once the session is established.
  package func write(_ plaintext: UnsafeRawBufferPointer) throws(KacheryError) {
    try TLSRecords.write(plaintext, to: session, orThrow: "The encrypted connection cannot be written to")
  }

  /// Passes the output to `send` and clears it. The pointer is valid only during the call.
  package func drainOutput(_ send: (UnsafeRawBufferPointer) -> Void) { pipe.drainOutput(send) }

  /// Frees what the output took before it was drained; further output takes it again.
  package func releaseMemory() { pipe.releaseMemory() }

  /// Bytes that only the two ends of this session can derive (RFC 8446, section 7.5). Allowed only once established.
  package func exportKeyingMaterial(label: String, count: Int) throws(KacheryError) -> [UInt8] {
    var material = [UInt8](repeating: 0, count: count)
    ERR_clear_error()
    guard SSL_export_keying_material(session, &material, count, label, label.utf8.count, nil, 0, 0) == 1 else {
      throw TLSError.capture("No key can be derived from the session")
    }
    return material
  }

  /// Adds a close_notify to the output, by which the other side can distinguish the end from a broken connection.
  package func startShutdown() {
    guard isEstablished else { return }
    ERR_clear_error()
    SSL_shutdown(session)
    ERR_clear_error()
  }
}

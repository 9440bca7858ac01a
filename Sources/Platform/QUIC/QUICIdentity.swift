internal import CNgtcp2
package import Crypto
package import Primitives

/// A node's identity in QUIC handshakes: a self-signed certificate on its own key, as in those of TLS. No authority is
/// involved; the key is the identity.
// GnuTLS documents that credentials may be shared once they are no longer changed, and nothing changes after `init`.
package final class QUICIdentity: @unchecked Sendable {
  let raw: OpaquePointer

  /// An identity for connections that speak `applicationProtocol` (ALPN, RFC 7301).
  package init(key: SigningKey, applicationProtocol: String = "kachery/1") throws(KacheryError) {
    guard let raw = CNgtcp2_identity_new(key.seed, key.publicKey.bytes, applicationProtocol) else {
      throw KacheryError(.internalError, "The node's certificate for QUIC cannot be made.")
    }
    self.raw = raw
  }

  deinit { CNgtcp2_identity_free(raw) }
}

internal import COpenSSL
package import Primitives

/// An Ed25519 public key (RFC 8032) made ready to check any number of signatures, in any number of threads at once.
package final class VerifyingKey: Sendable {
  /// An Ed25519 signature has this many bytes (RFC 8032, section 5.1.6).
  package static let signatureByteCount = 64

  /// The public key itself.
  package let publicKey: NodeID
  private let key: OpenSSLKey

  /// The key made ready.
  ///
  /// - Throws: `badKey` if OpenSSL takes no such key. Bytes that are no point of the curve are taken, and then no
  ///   signature is good.
  package init(_ publicKey: NodeID) throws(KacheryError) {
    self.publicKey = publicKey
    key = try OpenSSLKey(publicKey: publicKey)
  }

  /// Whether `signature` is this key's signature of these bytes.
  package func verify(signature: [UInt8], of bytes: [UInt8]) -> Bool {
    guard signature.count == Self.signatureByteCount else { return false }
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestVerifyInit(context, nil, nil, nil, key.raw) == 1,
      EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    else {
      ERR_clear_error()
      return false
    }
    return true
  }
}

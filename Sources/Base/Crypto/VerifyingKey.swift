internal import COpenSSL
package import Primitives

/// An Ed25519 public key (RFC 8032) prepared for verifying many signatures. Thread-safe.
package final class VerifyingKey: Sendable {
  /// Bytes in an Ed25519 signature (RFC 8032, section 5.1.6).
  package static let signatureByteCount = 64

  /// The public key itself.
  package let publicKey: NodeID
  private let key: OpenSSLKey

  /// Prepares a public key.
  ///
  /// - Throws: `badKey` if OpenSSL rejects the key. It accepts bytes that do not encode a point of the curve, and then
  ///   no signature is valid.
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

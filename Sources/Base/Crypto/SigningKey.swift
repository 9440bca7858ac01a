internal import COpenSSL
package import Primitives

/// An Ed25519 private key (RFC 8032): the identity of a node or feed.
package final class SigningKey: Sendable {
  /// A private key is a seed of 32 bytes (RFC 8032, section 5.1.5).
  package static let seedByteCount = 32

  /// The 32 secret bytes from which both keys are derived.
  package let seed: [UInt8]
  /// The public key.
  package let publicKey: NodeID
  private let key: OpenSSLKey

  /// Creates the key from its seed.
  ///
  /// - Throws: `badKey` unless there are exactly 32 bytes.
  package init(seed: [UInt8]) throws(KacheryError) {
    guard seed.count == Self.seedByteCount else {
      throw KacheryError(.badKey, "An Ed25519 private key has 32 bytes, not \(seed.count).")
    }
    let key = try OpenSSLKey(seed: seed)
    self.seed = seed
    self.key = key
    publicKey = try key.publicKey()
  }

  /// Generates a new key.
  package static func generate() throws(KacheryError) -> SigningKey {
    try SigningKey(seed: SecureRandom.bytes(seedByteCount))
  }

  /// Reads a PKCS#8 PEM document.
  package convenience init(pem: String) throws(KacheryError) {
    try self.init(seed: try OpenSSLKey(privatePEM: pem).seed())
  }

  /// The key as a PKCS#8 PEM document with a final newline.
  package func pem() throws(KacheryError) -> String { try key.privatePEM() }

  /// The 64-byte signature of these bytes.
  package func sign(_ bytes: [UInt8]) -> [UInt8] {
    var signature = [UInt8](repeating: 0, count: 64)
    var count = signature.count
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestSignInit(context, nil, nil, nil, key.raw) == 1,
      EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1, count == signature.count
    else { preconditionFailure("Ed25519 signs whatever it is given") }
    return signature
  }
}

extension NodeID {
  /// Reads an SPKI PEM document.
  package init(pem: String) throws(KacheryError) { self = try OpenSSLKey(publicPEM: pem).publicKey() }

  /// The public key as an SPKI PEM document with a final newline.
  package func pem() throws(KacheryError) -> String { try OpenSSLKey(publicKey: self).publicPEM() }

  /// Whether `signature` is this key's signature of these bytes. To verify many signatures of one key, create a
  /// `VerifyingKey` once.
  package func verify(signature: [UInt8], of bytes: [UInt8]) -> Bool {
    (try? VerifyingKey(self))?.verify(signature: signature, of: bytes) ?? false
  }
}

internal import COpenSSL
import Primitives

/// The sole owner of an OpenSSL key handle.
// Immutable after creation. OpenSSL counts references atomically and allows concurrent reads of a key.
final class OpenSSLKey: @unchecked Sendable {
  let raw: OpaquePointer

  private init(_ raw: OpaquePointer?, _ problem: String) throws(KacheryError) {
    guard let raw else { throw OpenSSLError.capture(.badKey, problem) }
    guard EVP_PKEY_get_base_id(raw) == EVP_PKEY_ED25519 else {
      EVP_PKEY_free(raw)
      throw KacheryError(.badKey, "The key is not an Ed25519 key.")
    }
    self.raw = raw
  }

  deinit { EVP_PKEY_free(raw) }

  convenience init(seed: [UInt8]) throws(KacheryError) {
    ERR_clear_error()
    try self.init(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count), "The bytes are not an Ed25519 private key")
  }

  convenience init(publicKey: NodeID) throws(KacheryError) {
    ERR_clear_error()
    let bytes = publicKey.bytes
    try self.init(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count), "The bytes are not an Ed25519 public key")
  }

  convenience init(privatePEM: String) throws(KacheryError) {
    // A password callback that fails keeps OpenSSL from prompting on the terminal.
    let key = Self.reading(privatePEM) { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }
    try self.init(key, "The text is not a PEM document with a private key")
  }

  convenience init(publicPEM: String) throws(KacheryError) {
    let key = Self.reading(publicPEM) { PEM_read_bio_PUBKEY($0, nil, nil, nil) }
    try self.init(key, "The text is not a PEM document with a public key")
  }

  func publicKey() throws(KacheryError) -> NodeID {
    var bytes = [UInt8](repeating: 0, count: NodeID.byteCount)
    var count = bytes.count
    guard EVP_PKEY_get_raw_public_key(raw, &bytes, &count) == 1, let id = NodeID(bytes: bytes.prefix(count)) else {
      throw OpenSSLError.capture(.badKey, "The key has no public part")
    }
    return id
  }

  func seed() throws(KacheryError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: SigningKey.seedByteCount)
    var count = bytes.count
    guard EVP_PKEY_get_raw_private_key(raw, &bytes, &count) == 1, count == bytes.count else {
      throw OpenSSLError.capture(.badKey, "The key has no private part")
    }
    return bytes
  }

  func privatePEM() throws(KacheryError) -> String {
    try Self.written { PEM_write_bio_PKCS8PrivateKey($0, raw, nil, nil, 0, nil, nil) }
  }

  func publicPEM() throws(KacheryError) -> String { try Self.written { PEM_write_bio_PUBKEY($0, raw) } }

  private static func reading(_ text: String, _ read: (OpaquePointer?) -> OpaquePointer?) -> OpaquePointer? {
    ERR_clear_error()
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { buffer in
      let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count))
      defer { BIO_free(bio) }
      return read(bio)
    }
  }

  private static func written(_ write: (OpaquePointer?) -> Int32) throws(KacheryError) -> String {
    ERR_clear_error()
    let bio = BIO_new(BIO_s_mem())
    defer { BIO_free(bio) }
    guard write(bio) == 1 else { throw OpenSSLError.capture(.badKey, "The key cannot be written") }
    var bytes = [UInt8](repeating: 0, count: 1_024)
    let count = BIO_read(bio, &bytes, Int32(bytes.count))
    return String(decoding: bytes.prefix(Int(max(count, 0))), as: UTF8.self)
  }
}

/// Reads OpenSSL's error queue, which is per thread.
enum OpenSSLError {
  /// The error with OpenSSL's messages for the last call on this thread. Clears the queue.
  static func capture(_ code: KacheryError.Code, _ problem: String) -> KacheryError {
    let number = COpenSSL_last_error()
    defer { ERR_clear_error() }
    guard number != 0 else { return KacheryError(code, "\(problem).") }
    var text = [CChar](repeating: 0, count: 256)
    ERR_error_string_n(number, &text, text.count)
    let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return KacheryError(code, "\(problem) (\(reason)).")
  }
}

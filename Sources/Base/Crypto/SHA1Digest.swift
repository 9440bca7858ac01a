internal import COpenSSL
package import Primitives

/// SHA-1 of bytes that arrive in pieces (FIPS 180-4). A copy goes on independently from the state it was taken at.
package struct SHA1Digest: Sendable {
  private var state = SHA_CTX()

  package init() { COpenSSL_sha1_init(&state) }

  /// Takes in the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    COpenSSL_sha1_update(&state, start, bytes.count)
  }

  /// The digest of everything taken in. The state must not be used afterwards.
  package mutating func finish() -> ContentHash {
    var digest = [UInt8](repeating: 0, count: ContentHash.byteCount)
    COpenSSL_sha1_final(&digest, &state)
    guard let hash = ContentHash(bytes: digest) else { preconditionFailure("a SHA-1 has 20 bytes") }
    return hash
  }
}

extension ContentHash {
  /// The SHA-1 of these bytes.
  package static func of(_ bytes: some Collection<UInt8>) -> ContentHash {
    var digest = SHA1Digest()
    let isContiguous: Void? = bytes.withContiguousStorageIfAvailable { digest.update(UnsafeRawBufferPointer($0)) }
    if isContiguous == nil { Array(bytes).withUnsafeBytes { digest.update($0) } }
    return digest.finish()
  }
}

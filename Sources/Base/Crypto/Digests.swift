internal import COpenSSL

/// SHA-256 (FIPS 180-4).
package enum SHA256Digest {
  /// The 32 bytes of the digest.
  package static func of(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    let isDone = EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    precondition(isDone == 1, "OpenSSL offers SHA-256")
    return digest
  }
}

/// HMAC with SHA-256 (RFC 2104).
package enum HMACSHA256 {
  /// The 32-byte authentication code of `bytes` under `key`.
  package static func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    var count = 0
    let result = EVP_Q_mac(
      nil, "HMAC", nil, "SHA256", nil, key, key.count, bytes, bytes.count, &code, code.count, &count)
    precondition(result != nil && count == code.count, "OpenSSL offers HMAC with SHA-256")
    return code
  }
}

/// Cryptographically secure random numbers.
package struct SecureRandom: RandomNumberGenerator, Sendable {
  package init() {}

  package func next() -> UInt64 {
    var number: UInt64 = 0
    let isDone = withUnsafeMutableBytes(of: &number) { bytes in
      RAND_bytes(bytes.bindMemory(to: UInt8.self).baseAddress, Int32(bytes.count))
    }
    precondition(isDone == 1, "the kernel offers randomness")
    return number
  }

  /// `count` random bytes.
  package static func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "the kernel offers randomness")
    return bytes
  }
}

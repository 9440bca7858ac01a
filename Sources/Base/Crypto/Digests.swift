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

/// Scrypt (RFC 7914): a derivation of keys that takes time and memory, so that guessing the secret does too.
package enum Scrypt {
  /// How much a derivation costs.
  package struct Cost: Hashable, Sendable {
    /// The parameter N, a power of two greater than 1. A derivation takes 128 · N · `blockSize` bytes of memory.
    package let iterations: UInt64
    /// The parameter r.
    package let blockSize: UInt64
    /// The parameter p.
    package let parallelism: UInt64

    package init(iterations: UInt64, blockSize: UInt64, parallelism: UInt64) {
      self.iterations = iterations
      self.blockSize = blockSize
      self.parallelism = parallelism
    }

    /// The memory of one derivation, with the room that OpenSSL counts for its own blocks.
    fileprivate var memory: UInt64 { 128 * blockSize * (iterations + parallelism + 2) + 1 << 20 }
  }

  /// Derives `count` bytes from a secret. Takes as long as `cost` demands.
  package static func derive(_ count: Int, from secret: [UInt8], salt: [UInt8], cost: Cost) -> [UInt8] {
    var derived = [UInt8](repeating: 0, count: count)
    let isDone = EVP_PBE_scrypt(
      secret.map { CChar(bitPattern: $0) }, secret.count, salt, salt.count, cost.iterations, cost.blockSize,
      cost.parallelism, cost.memory, &derived, count)
    precondition(isDone == 1, "OpenSSL offers scrypt, and the memory is there")
    return derived
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

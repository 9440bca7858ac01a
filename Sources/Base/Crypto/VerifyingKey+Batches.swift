internal import Ed25519Batch

/// Bytes and their claimed Ed25519 signature.
package struct SignedBytes: Sendable {
  package let signature: [UInt8]
  package let bytes: [UInt8]

  package init(signature: [UInt8], bytes: [UInt8]) {
    self.signature = signature
    self.bytes = bytes
  }
}

extension VerifyingKey {
  /// Smaller batches are verified one by one, which is faster for them.
  #if DEBUG
    // Without compiler optimization this arithmetic takes fifty times as long; OpenSSL is always optimized.
    package static let smallestBatch = 5_000
  #else
    package static let smallestBatch = 128
  #endif

  /// The index of the first element that is not signed by this key; nil if all are.
  ///
  /// A large batch takes a fraction of the time: the equations of all signatures, each multiplied by an unpredictable
  /// random number of 128 bits, are added up and verified together (RFC 8032, section 8.9; Bernstein and others, 2011).
  /// What a batch accepts is also accepted one by one (`SignatureBatch`), and OpenSSL decides about the rest.
  ///
  /// - Parameter smallest: the smallest number of elements to verify together.
  package func firstInvalid(in signed: [SignedBytes], togetherFrom smallest: Int = smallestBatch) -> Int? {
    if signed.count >= smallest, areAllSigned(signed) { return nil }
    return signed.firstIndex { !verify(signature: $0.signature, of: $0.bytes) }
  }
}

extension VerifyingKey {
  /// Whether all are signed by this key, verified with one combined equation. May be false for signatures that `verify`
  /// accepts, but is never true for one that it refuses.
  package func areAllSigned(_ signed: [SignedBytes]) -> Bool {
    guard let batch = SignatureBatch(publicKey: publicKey.bytes) else { return false }
    return batch.accepts(signed.map { ($0.signature, $0.bytes) }, random: SecureRandom.bytes)
  }
}

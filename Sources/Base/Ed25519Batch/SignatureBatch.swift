internal import COpenSSL

/// Verifies many Ed25519 signatures (RFC 8032) of one key together.
///
/// **Variable-time: for public values only.** The time of this module's arithmetic depends on the numbers. It must never
/// handle a private key or anything derived from one.
///
/// A batch accepts only what single verification accepts: each equation sB = R + hA itself, not multiplied by the
/// cofactor 8. Two tests ensure this, whatever the signer knows:
///
/// - The sum of all equations, each multiplied by an unpredictable number of 128 bits, holds (Bernstein and others,
///   "High-speed high-security signatures", 2011, section 5). This misses an error in the subgroup of prime order with a
///   probability of 2⁻¹²⁸. Errors of small order (2, 4 or 8) may cancel: half of all numbers are even.
/// - Therefore no point may have a component of small order. The key is tested alone, and the points R by sums of
///   randomly chosen ones. This misses a component with a probability of 2⁻⁴⁰.
///
/// A batch may refuse what single verification accepts: signatures of a key that has a component of small order or is
/// not canonically encoded. After a refusal, the caller must verify one by one.
package struct SignatureBatch: Sendable {
  /// A claimed signature and the bytes that it signs.
  package typealias Claim = (signature: [UInt8], message: [UInt8])

  /// An Ed25519 signature has this many bytes (RFC 8032, section 5.1.6).
  private static let signatureByteCount = 64
  /// Each of these bytes per point decides for eight sums whether they include it.
  private static let bytesOfSums = 5

  private let key: [UInt8]
  private let point: EdwardsPoint

  /// Prepares batches of a key. Nil if these 32 bytes are not the canonical encoding of a point without a component of
  /// small order.
  package init?(publicKey: [UInt8]) {
    guard let point = EdwardsPoint(encoded: publicKey[...]), point.isTorsionFree else { return nil }
    (key, self.point) = (publicKey, point)
  }

  /// Whether all claims are true.
  ///
  /// - Parameter random: returns this many bytes that no signer can predict.
  package func accepts(_ claims: [Claim], random: (_ byteCount: Int) -> [UInt8]) -> Bool {
    var commitments: [EdwardsPoint.Addend] = []
    commitments.reserveCapacity(claims.count)
    guard equationHolds(claims, factors: random(16 * claims.count), commitments: &commitments) else { return false }
    return (0..<Self.bytesOfSums).allSatisfy { _ in
      EdwardsPoint.areTorsionFree(sumsOf: commitments, chosenBy: random(claims.count))
    }
  }

  /// Whether z₁(s₁B − R₁ − h₁A) + z₂(s₂B − R₂ − h₂A) + … is zero, for random z; if not, at least one signature is
  /// wrong. Appends the points R.
  private func equationHolds(
    _ claims: [Claim], factors: [UInt8], commitments: inout [EdwardsPoint.Addend]
  ) -> Bool {
    guard let sums = Sums(), let digest = Digest() else { return false }
    for (index, claim) in claims.enumerated() {
      let signature = claim.signature
      guard signature.count == Self.signatureByteCount,
        let commitment = EdwardsPoint(encoded: signature[..<32]),
        let challenge = digest.of(signature[..<32], key, claim.message)
      else { return false }
      let factor = factors[16 * index..<16 * index + 16]
      guard sums.add(factor, response: signature[32...], challenge: challenge) else { return false }
      commitments.append(commitment.addendOfUnit)
    }
    // R and A have positive signs, B a negative one: the sum of z s is subtracted from the order of B.
    guard let challenges = sums.challenges, let responses = sums.responses else { return false }
    var points = commitments
    for point in [point, .base] { points += [point.addendOfUnit, point.doubled(128).addend] }
    return EdwardsPoint.sum(of: points, times: factors + challenges + responses).isIdentity
  }
}

/// SHA-512 (FIPS 180-4) with a context that is reused.
private final class Digest {
  private let context: OpaquePointer

  init?() {
    guard let context = EVP_MD_CTX_new() else { return nil }
    self.context = context
    guard EVP_DigestInit_ex(context, EVP_sha512(), nil) == 1 else { return nil }
  }

  deinit { EVP_MD_CTX_free(context) }

  /// The 64-byte digest of the concatenation of the three.
  func of(_ first: ArraySlice<UInt8>, _ second: [UInt8], _ third: [UInt8]) -> [UInt8]? {
    var digest = [UInt8](repeating: 0, count: Int(SHA512_DIGEST_LENGTH))
    let isTaken = first.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    guard isTaken == 1, EVP_DigestUpdate(context, second, second.count) == 1,
      EVP_DigestUpdate(context, third, third.count) == 1, EVP_DigestFinal_ex(context, &digest, nil) == 1,
      EVP_DigestInit_ex(context, nil, nil) == 1
    else { return nil }
    return digest
  }
}

/// The sums of z h and of z s, modulo the order of the base point.
private final class Sums {
  private let context: OpaquePointer
  private let order: OpaquePointer
  private var challengeSum: OpaquePointer
  private var responseSum: OpaquePointer
  private let factor: OpaquePointer
  private let other: OpaquePointer
  private let product: OpaquePointer

  init?() {
    guard let context = BN_CTX_new() else { return nil }
    self.context = context
    BN_CTX_start(context)
    guard let order = BN_CTX_get(context), let challengeSum = BN_CTX_get(context),
      let responseSum = BN_CTX_get(context), let factor = BN_CTX_get(context), let other = BN_CTX_get(context),
      let product = BN_CTX_get(context)
    else {
      BN_CTX_free(context)
      return nil
    }
    (self.order, self.challengeSum, self.responseSum) = (order, challengeSum, responseSum)
    (self.factor, self.other, self.product) = (factor, other, product)
    BN_bin2bn(EdwardsPoint.orderOfBase, Int32(EdwardsPoint.orderOfBase.count), order)
  }

  deinit {
    BN_CTX_end(context)
    BN_CTX_free(context)
  }

  /// Adds one signature's numbers; returns false unless the response is below the order (RFC 8032, section 5.1.7).
  func add(_ factorBytes: ArraySlice<UInt8>, response: ArraySlice<UInt8>, challenge: [UInt8]) -> Bool {
    read(factorBytes, into: factor)
    read(response, into: other)
    guard BN_cmp(other, order) < 0 else { return false }
    guard addProduct(to: responseSum) else { return false }
    read(challenge[...], into: other)
    return addProduct(to: challengeSum)
  }

  private func addProduct(to sum: OpaquePointer) -> Bool {
    BN_mod_mul(product, factor, other, order, context) == 1 && BN_mod_add(sum, sum, product, order, context) == 1
  }

  private func read(_ bytes: ArraySlice<UInt8>, into number: OpaquePointer) {
    _ = bytes.withUnsafeBufferPointer { BN_lebin2bn($0.baseAddress, Int32($0.count), number) }
  }

  /// The sum of z h in 32 little-endian bytes.
  var challenges: [UInt8]? { bytes(of: challengeSum) }

  /// The order minus the sum of z s, in 32 little-endian bytes.
  var responses: [UInt8]? { BN_mod_sub(product, order, responseSum, order, context) == 1 ? bytes(of: product) : nil }

  private func bytes(of number: OpaquePointer) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 32)
    return BN_bn2lebinpad(number, &bytes, 32) == 32 ? bytes : nil
  }
}

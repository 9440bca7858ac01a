internal import COpenSSL
import Primitives

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
    package static let smallestBatch = 64
  #endif

  /// The index of the first element that is not signed by this key; nil if all are.
  ///
  /// A large batch takes a fifth of the time: the equations of all signatures, each multiplied by an unpredictable
  /// random number of 128 bits, are added up and verified together (RFC 8032, section 8.9; Bernstein and others, 2011).
  /// A wrong signature passes with a probability of 2⁻¹²⁸. Only the owner of the private key can make signatures that
  /// pass in a batch and may fail alone (by components of small order), and gains nothing by it: the owner can sign
  /// anything anyway.
  ///
  /// - Parameter smallest: the smallest number of elements to verify together.
  package func firstInvalid(in signed: [SignedBytes], togetherFrom smallest: Int = smallestBatch) -> Int? {
    if signed.count >= smallest, areAllSigned(signed) { return nil }
    return signed.firstIndex { !verify(signature: $0.signature, of: $0.bytes) }
  }
}

extension VerifyingKey {
  /// Whether all are signed by this key, verified with one combined equation.
  package func areAllSigned(_ signed: [SignedBytes]) -> Bool {
    guard var batch = SignatureBatch(publicKey) else { return false }
    return batch.areAllSigned(signed)
  }
}

/// The combined equation of many signatures of one key.
private struct SignatureBatch {
  private let key: [UInt8]
  private var points: [EdwardsPoint.Addend] = []
  private var scalars: [UInt8] = []
  private let point: EdwardsPoint

  /// Nil if the bytes do not encode a point of the curve.
  init?(_ publicKey: NodeID) {
    key = publicKey.bytes
    guard let point = EdwardsPoint(encoded: key[...]) else { return nil }
    self.point = point
  }

  /// Whether z₁(s₁B − R₁ − h₁A) + z₂(s₂B − R₂ − h₂A) + … is zero, for random z; if not, at least one signature is
  /// wrong.
  mutating func areAllSigned(_ signed: [SignedBytes]) -> Bool {
    let factors = SecureRandom.bytes(16 * signed.count)
    guard let sums = Sums(), let digest = Digest() else { return false }
    for (index, one) in signed.enumerated() {
      let signature = one.signature
      guard signature.count == VerifyingKey.signatureByteCount,
        let commitment = EdwardsPoint(encoded: signature[..<32]),
        let challenge = digest.of(signature[..<32], key, one.bytes)
      else { return false }
      let factor = factors[16 * index..<16 * index + 16]
      guard sums.add(factor, response: signature[32...], challenge: challenge) else { return false }
      points.append(commitment.addendOfUnit)
    }
    // R and A have positive signs, B a negative one: the sum of z s is subtracted from the order of B.
    guard let challenges = sums.challenges, let responses = sums.responses else { return false }
    scalars = factors + challenges + responses
    for point in [point, .base] { points += [point.addendOfUnit, point.doubled(128).addend] }
    return EdwardsPoint.sum(of: points, times: scalars).isIdentity
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

  /// 2²⁵² + 27742317777372353535851937790883648493 (RFC 8032, section 5.1), big-endian.
  private static let orderBytes: [UInt8] =
    [0x10] + [UInt8](repeating: 0, count: 15) + [
      0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
    ]

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
    BN_bin2bn(Self.orderBytes, Int32(Self.orderBytes.count), order)
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

import Crypto
import Primitives
import TestSupport
import Testing

/// Verifying many signatures together gives the same result as one by one, and names the first bad one.
@Suite struct SignatureBatchTests {
  private let key: SigningKey
  private let verifier: VerifyingKey

  init() throws {
    key = try SigningKey(seed: [UInt8](0..<32))
    verifier = try VerifyingKey(key.publicKey)
  }

  private func signed(_ count: Int) -> [SignedBytes] {
    (0..<count).map { number in
      let bytes = Array("message \(number)".utf8)
      return SignedBytes(signature: key.sign(bytes), bytes: bytes)
    }
  }

  @Test(arguments: [0, 1, 63, 64, 65, 200]) func whatIsSignedPasses(count: Int) {
    #expect(verifier.firstInvalid(in: signed(count), togetherFrom: 64) == nil)
  }

  /// Not only because each signature is valid by itself.
  @Test(arguments: [0, 1, 2, 64, 300]) func theEquationOfAllHolds(count: Int) {
    #expect(verifier.areAllSigned(signed(count)))
    guard count > 0 else { return }
    var batch = signed(count)
    batch[count / 2] = SignedBytes(signature: batch[count / 2].signature, bytes: [])
    #expect(!verifier.areAllSigned(batch))
  }

  @Test(arguments: UInt64(0)..<6) func oneWrongBitIsFound(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var batch = signed(70)
    let place = Int(random.next() % 70)
    var (signature, bytes) = (batch[place].signature, batch[place].bytes)
    let bit = Int(random.next() % UInt64(8 * (signature.count + bytes.count)))
    if bit / 8 < signature.count {
      signature[bit / 8] ^= 1 << (bit % 8)
    } else {
      bytes[bit / 8 - signature.count] ^= 1 << (bit % 8)
    }
    batch[place] = SignedBytes(signature: signature, bytes: bytes)
    #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == place, "seed \(seed)")
  }

  @Test func theFirstOfManyWrongOnesIsNamed() {
    var batch = signed(100)
    batch.swapAt(20, 21)
    #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == nil)
    batch[40] = SignedBytes(signature: batch[41].signature, bytes: batch[40].bytes)
    batch[41] = SignedBytes(signature: batch[40].signature, bytes: batch[39].bytes)
    #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == 40)
  }

  /// RFC 8032, section 5.1.7: the response must be below the order of the base point; otherwise a second signature of
  /// the same bytes could be derived from one.
  @Test func aResponseBeyondTheOrderIsRefused() {
    let order: [UInt8] =
      [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14]
      + [UInt8](repeating: 0, count: 15) + [0x10]
    var batch = signed(64)
    var signature = batch[9].signature
    var carry = 0
    for index in 0..<32 {
      carry += Int(signature[32 + index]) + Int(order[index])
      signature[32 + index] = UInt8(truncatingIfNeeded: carry)
      carry >>= 8
    }
    batch[9] = SignedBytes(signature: signature, bytes: batch[9].bytes)
    #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == 9)
  }

  @Test func invalidPointsAndSignaturesAreRejected() throws {
    var batch = signed(64)
    // y = p is another encoding of y = 0, and y = 2 is not on the curve.
    let strange: [[UInt8]] = [
      [0xed] + [UInt8](repeating: 0xff, count: 30) + [0x7f], [2] + [UInt8](repeating: 0, count: 31),
      [1] + [UInt8](repeating: 0, count: 30) + [0x80],
    ]
    for commitment in strange {
      batch[5] = SignedBytes(signature: commitment + batch[5].signature[32...], bytes: batch[5].bytes)
      #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == 5)
    }
    batch[5] = SignedBytes(signature: [1, 2, 3], bytes: batch[5].bytes)
    #expect(verifier.firstInvalid(in: batch, togetherFrom: 64) == 5)
    let nobody = try VerifyingKey(try #require(NodeID(bytes: strange[1])))
    #expect(nobody.firstInvalid(in: signed(64), togetherFrom: 64) == 0)
  }

  @Test func signaturesOfAnotherKeyAreRefused() throws {
    let other = try VerifyingKey(try SigningKey(seed: [UInt8](1...32)).publicKey)
    #expect(other.firstInvalid(in: signed(64), togetherFrom: 64) == 0)
  }

  /// Vectors of RFC 8032, section 7.1, among other signatures of the same key.
  @Test func theVectorsOfTheStandardPass() throws {
    let vectors = [
      (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
      ),
      (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
      ),
    ]
    for (seed, message, signature) in vectors {
      let key = try SigningKey(seed: try #require(Hex.decode(seed)))
      var batch = (0..<70).map { SignedBytes(signature: key.sign([UInt8($0)]), bytes: [UInt8($0)]) }
      let bytes = try #require(Hex.decode(message))
      batch[3] = SignedBytes(signature: try #require(Hex.decode(signature)), bytes: bytes)
      #expect(try VerifyingKey(key.publicKey).firstInvalid(in: batch, togetherFrom: 64) == nil)
    }
  }
}

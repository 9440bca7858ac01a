import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct DigestTests {
  /// FIPS 180-4 examples.
  @Test(arguments: [
    ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
  ])
  func sha1(text: String, digest: String) {
    #expect(ContentHash.of(Array(text.utf8)).hex == digest)
  }

  @Test func sha1InPiecesIsThatOfTheWhole() {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for size in [1, 7, 64, 4_096] {
      var digest = SHA1Digest()
      for start in stride(from: 0, to: bytes.count, by: size) {
        Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes { digest.update($0) }
      }
      #expect(digest.finish() == ContentHash.of(bytes))
    }
  }

  @Test func aCopyOfADigestGoesItsOwnWay() {
    var digest = SHA1Digest()
    Array("ab".utf8).withUnsafeBytes { digest.update($0) }
    var copy = digest
    Array("c".utf8).withUnsafeBytes { digest.update($0) }
    Array("d".utf8).withUnsafeBytes { copy.update($0) }
    #expect(digest.finish() == ContentHash.of(Array("abc".utf8)))
    #expect(copy.finish() == ContentHash.of(Array("abd".utf8)))
  }

  /// However many bytes either digest has hashed before, and however the bytes are split.
  @Test(arguments: UInt64(0)..<20) func twoDigestsHashTheSameBytesTogether(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let bytes = random.bytes(Int(random.next() % 10_000))
    let (start, otherStart) = (Int(random.next() % 130), seed.isMultiple(of: 2) ? 64 : Int(random.next() % 130))
    let (before, otherBefore) = (random.bytes(start), random.bytes(otherStart))
    var (digest, other) = (SHA1Digest(), SHA1Digest())
    before.withUnsafeBytes { digest.update($0) }
    otherBefore.withUnsafeBytes { other.update($0) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Int(random.next() % 700) + 1)
      piece.withUnsafeBytes { digest.update($0, alongside: &other) }
      rest = rest.dropFirst(piece.count)
    }
    #expect(digest.finish() == ContentHash.of(before + bytes), "seed \(seed)")
    #expect(other.finish() == ContentHash.of(otherBefore + bytes), "seed \(seed)")
  }

  /// The number of bits no longer fits 32 bits.
  @Test func twoDigestsTakeMoreThanHalfAGigabyte() {
    let block = [UInt8](repeating: 7, count: 1 << 20)
    var (one, other, expected) = (SHA1Digest(), SHA1Digest(), SHA1Digest())
    for _ in 0..<513 {
      block.withUnsafeBytes { bytes in
        one.update(bytes, alongside: &other)
        expected.update(bytes)
      }
    }
    let hash = expected.finish()
    #expect(one.finish() == hash && other.finish() == hash)
  }

  @Test func sha256() {
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(Hex.encode(SHA256Digest.of(Array("abc".utf8))) == digest)
  }

  /// RFC 4231, test cases 1 and 2.
  @Test func hmac() {
    let first = HMACSHA256.authenticate(Array("Hi There".utf8), key: [UInt8](repeating: 0x0b, count: 20))
    #expect(Hex.encode(first) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    let second = HMACSHA256.authenticate(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
    #expect(Hex.encode(second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }

  /// A name may be empty, and so may a key derived from it.
  @Test func emptyBytesHaveDigestsToo() {
    #expect(Hex.encode(SHA256Digest.of([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      Hex.encode(HMACSHA256.authenticate([], key: []))
        == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    #expect(ContentHash.of(EmptyCollection()) == ContentHash.of([]))
  }

  @Test func randomBytesDiffer() {
    #expect(SecureRandom.bytes(32) != SecureRandom.bytes(32))
    #expect(SecureRandom.bytes(5).count == 5)
  }
}

import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct VerifyingKeyTests {
  @Test(arguments: SigningKeyTests.vectors)
  func rfc8032(seed: String, publicKey: String, message: String, signature: String) throws {
    let key = try VerifyingKey(try #require(NodeID(hex: publicKey)))
    let message = try #require(Hex.decode(message))
    let signature = try #require(Hex.decode(signature))
    #expect(key.verify(signature: signature, of: message))
    #expect(!key.verify(signature: signature, of: message + [0]))
  }

  /// A wrong signature leaves no state behind that makes the next one invalid, or valid.
  @Test func signaturesAreJudgedOneByOne() throws {
    let signing = try SigningKey(seed: Array(0..<32))
    let key = try VerifyingKey(signing.publicKey)
    #expect(key.publicKey == signing.publicKey)
    for number in UInt8(0)..<20 {
      let signature = signing.sign([number])
      #expect(key.verify(signature: signature, of: [number]))
      #expect(!key.verify(signature: signature, of: [number + 1]))
      #expect(!key.verify(signature: Array(signature.dropLast()), of: [number]))
      #expect(!key.verify(signature: signature + [0], of: [number]))
      #expect(!key.verify(signature: [], of: [number]))
    }
  }

  /// Node IDs are untrusted, and most strings of 32 bytes are not a point of the curve or not a known key.
  @Test(arguments: UInt64(0)..<10)
  func anyBytesForAKeyVerifyNothing(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let signature = try SigningKey(seed: random.bytes(SigningKey.seedByteCount)).sign([1, 2, 3])
    for _ in 0..<20 {
      let id = try #require(NodeID(bytes: random.bytes(NodeID.byteCount)))
      #expect((try? VerifyingKey(id))?.verify(signature: signature, of: [1, 2, 3]) != true, "seed \(seed)")
    }
  }

  @Test func manyThreadsShareAKey() async throws {
    let signing = try SigningKey(seed: Array(repeating: 7, count: 32))
    let key = try VerifyingKey(signing.publicKey)
    let right = await withTaskGroup(of: Int.self) { group in
      for worker in UInt8(0)..<4 {
        group.addTask {
          (UInt8(0)..<50).count { key.verify(signature: signing.sign([worker, $0]), of: [worker, $0]) }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(right == 200)
  }
}

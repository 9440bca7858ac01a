import Crypto
import Ed25519Batch
import Primitives
import TestSupport
import Testing

/// OpenSSL decides which signatures are valid. A batch must never accept one that OpenSSL refuses: nodes that received the
/// messages of a feed in batches of different sizes would otherwise disagree about the feed.
@Suite struct VectorTests {
  private struct Example: Sendable {
    let comment: String
    let verifier: VerifyingKey
    let signed: SignedBytes
    /// Nil if the vectors leave it to the implementation.
    let isValid: Bool?

    init(_ json: JSONValue) throws {
      func bytes(_ name: ByteString) throws -> [UInt8] { try #require(Hex.decode(json.text(name).text)) }
      comment = try json.text("comment").text
      verifier = try VerifyingKey(try #require(NodeID(bytes: bytes("publicKey"))))
      signed = SignedBytes(signature: try bytes("signature"), bytes: try bytes("message"))
      let result = json["result"]?.string
      isValid = result == nil ? json["valid"]?.bool : result == "acceptable" ? nil : result == "valid"
    }

    var isAcceptedAlone: Bool { verifier.verify(signature: signed.signature, of: signed.bytes) }

    /// The example in a batch that consists of it and `others`.
    func isAccepted(among others: [SignedBytes] = []) -> Bool { verifier.areAllSigned(others + [signed]) }
  }

  private static func examples(_ name: String) throws -> [Example] {
    try Vectors.json(name).list("cases").map(Example.init)
  }

  /// What Wycheproof leaves to the implementation are keys of small or mixed order.
  @Test func batchesAgreeWithWycheproof() throws {
    let examples = try Self.examples("ed25519-wycheproof.json")
    #expect(examples.count == 210 && examples.count { $0.isValid == nil } == 29)
    for example in examples {
      let isValid = example.isAcceptedAlone
      if let expected = example.isValid {
        #expect(isValid == expected, "\(example.comment)")
        #expect(example.isAccepted() == expected, "\(example.comment)")
      } else {
        #expect(isValid || !example.isAccepted(), "\(example.comment)")
        #expect(example.verifier.firstInvalid(in: [example.signed], togetherFrom: 1) == (isValid ? nil : 0))
      }
    }
  }

  /// The batch refuses all keys of small or mixed order, so that the result for them is OpenSSL's.
  @Test func theResultWithSmallOrdersIsThatOfSingleVerification() throws {
    let examples = try Self.examples("ed25519-small-order.json")
    #expect(examples.count { $0.isValid == true } > 30 && examples.count { $0.isValid == false } > 60)
    for example in examples {
      let isValid = example.isAcceptedAlone
      #expect(example.isValid == isValid, "\(example.comment)")
      if !isValid { #expect(!example.isAccepted(), "\(example.comment)") }
      #expect(example.verifier.firstInvalid(in: [example.signed], togetherFrom: 1) == (isValid ? nil : 0))
    }
  }

  /// With a batch of the size at which a release build begins to check together, and as a debug build checks.
  @Test func theResultDoesNotDependOnTheBuild() throws {
    for example in try Self.examples("ed25519-small-order.json") {
      let batch = [SignedBytes](repeating: example.signed, count: 128)
      let expected = example.isValid == true ? nil : 0
      #expect(example.verifier.firstInvalid(in: batch, togetherFrom: 128) == expected, "\(example.comment)")
      #expect(example.verifier.firstInvalid(in: batch, togetherFrom: .max) == expected, "\(example.comment)")
    }
  }

  /// In the sum of the equations alone, such components cancel in up to half of all attempts.
  @Test(arguments: 1...7) func componentsOfSmallOrderAreAlwaysRefused(_ multiple: Int) throws {
    let examples = try Self.examples("ed25519-small-order.json")
    let torsion = try #require(examples.first { $0.comment == "R = rB + \(multiple)T" })
    let opposite = try #require(examples.first { $0.comment == "R = rB + \(8 - multiple)T" })
    #expect(torsion.verifier.publicKey == opposite.verifier.publicKey)
    for _ in 0..<8 {
      #expect(!torsion.isAccepted())
      #expect(!torsion.isAccepted(among: [opposite.signed]))
    }
  }

  @Test func componentsOfSmallOrderAreFoundAmongManySignatures() throws {
    let vectors = try Vectors.json("ed25519-small-order.json")
    let key = try SigningKey(seed: try #require(Hex.decode(vectors.text("seed").text)))
    let honest = (0..<70).map { SignedBytes(signature: key.sign([UInt8($0)]), bytes: [UInt8($0)]) }
    let torsion = try Self.examples("ed25519-small-order.json").filter { $0.comment.hasPrefix("R = rB + ") }
    #expect(torsion.count == 7)
    let verifier = try VerifyingKey(key.publicKey)
    #expect(verifier.areAllSigned(honest))
    for example in torsion {
      #expect(example.verifier.publicKey == key.publicKey)
      #expect(!example.isAccepted(among: honest))
      #expect(verifier.firstInvalid(in: honest + [example.signed], togetherFrom: 1) == 70)
    }
  }

  /// Which keys a batch takes: those that are canonically encoded and have no component of small order.
  @Test func keysOfSmallOrMixedOrderAreNotTaken() throws {
    let vectors = try Vectors.json("ed25519-small-order.json").list("cases")
    var taken: Set<[UInt8]> = []
    for vector in vectors {
      let key = try #require(Hex.decode(vector.text("publicKey").text))
      if SignatureBatch(publicKey: key) != nil { taken.insert(key) }
    }
    let signer = try SigningKey(seed: [UInt8](0..<32)).publicKey.bytes
    // Besides the key of the other vectors, the neutral element: its order is 1.
    #expect(taken == [signer, [1] + [UInt8](repeating: 0, count: 31)])
    #expect(SignatureBatch(publicKey: []) == nil)
    #expect(SignatureBatch(publicKey: signer + [0]) == nil)
  }
}

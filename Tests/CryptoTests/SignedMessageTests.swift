import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct SignedMessageTests {
  private func signer() throws -> SigningKey { try SigningKey(seed: [UInt8](repeating: 3, count: 32)) }

  private func message(_ number: UInt64 = 0, previous: Signature? = nil) throws -> SignedMessage {
    try SignedMessage(
      ["text": "größer ✓ \u{2028}", "number": .double(1e21), "list": [1, .null]], number: number, previous: previous,
      at: WallTime(milliseconds: 1_600_000_000_000), metaData: ["source": "lab"], with: try signer())
  }

  @Test func whatWasSignedIsReadAgain() throws {
    let first = try message()
    let second = try message(1, previous: first.signature)
    let verifier = try VerifyingKey(try signer().publicKey)
    for original in [first, second] {
      let read = try SignedMessage(original.text)
      #expect(read == original)
      #expect(read.isSigned(by: verifier))
    }
    #expect(second.previous == first.signature)
    #expect(!first.isSigned(by: try VerifyingKey(try SigningKey.generate().publicKey)))
  }

  private func sign(_ message: String, metaData: String? = nil) throws -> SignedMessage {
    let message = try #require(try JSONParser.parse(message).object)
    return try SignedMessage(
      message, number: 0, previous: nil, at: WallTime(milliseconds: 1),
      metaData: try metaData.flatMap { try JSONParser.parse($0).object }, with: try signer())
  }

  /// The signature covers the numbers as ECMAScript prints them; the text keeps them as the writer wrote them.
  @Test func numbersStayInTheTextAsTheyWereSpelled() throws {
    let text = #"{"a":[1.0,-0.0,1E3,0.12345678901234567890,9007199254740992,123456789012345680,1.7e308]}"#
    let signed = try sign(text)
    #expect(String(decoding: SignedMessage.plain(signed.text), as: UTF8.self) == text)
    let read = try SignedMessage(signed.text)
    #expect(read == signed)
    #expect(read.isSigned(by: try VerifyingKey(try signer().publicKey)))
    let canonical = #""message":{"a":[1,0,1000,0.12345678901234568,9007199254740992,123456789012345680,1.7e+308]}"#
    #expect(String(decoding: signed.signed.bytes, as: UTF8.self).contains(canonical))
  }

  @Test(arguments: ["9007199254740993", "9223372036854775808", "1e-400"])
  func aNumberThatWouldChangeIsNotSigned(literal: String) throws {
    let message = #"{"a":{"b":[0,\#(literal)]}}"#
    let error = #expect(throws: KacheryError.self) { try sign(message) }
    #expect(error?.code == .badRequest)
    #expect(error?.message.contains("\(literal) at $.a.b[1] ") == true)
    #expect(error?.message.contains("as a string") == true)
    let inMetaData = #expect(throws: KacheryError.self) { try sign("{}", metaData: message) }
    #expect(inMetaData?.message.contains("$.metaData.a.b[1]") == true)
  }

  /// Earlier versions signed integers beyond 2⁵³ in their rounded form, and kept all digits in the text.
  @Test func messagesOfEarlierVersionsStillVerify() throws {
    let text = #"{"body":{"messageNumber":0,"message":{"n":9007199254740993},"timestamp":1},"signature":"SIGNATURE"}"#
    let body = #"{"message":{"n":9007199254740992},"messageNumber":0,"timestamp":1}"#
    let signature = Hex.encode(try signer().sign(Array(body.utf8)))
    let read = try SignedMessage(Array(text.replacing("SIGNATURE", with: signature).utf8))
    #expect(read.isSigned(by: try VerifyingKey(try signer().publicKey)))
    #expect(SignedMessage.plain(read.text) == Array(#"{"n":9007199254740993}"#.utf8))
  }

  /// Spacing and order of a document do not affect its signature.
  @Test func theFormOfTheDocumentDoesNotMatter() throws {
    let original = try message()
    let text = String(decoding: original.text, as: UTF8.self).replacing(",", with: " ,\n ")
    #expect(try SignedMessage(Array(text.utf8)).isSigned(by: try VerifyingKey(try signer().publicKey)))
  }

  @Test(arguments: [
    "", "[]", "{}", #"{"body":{},"signature":""}"#,
    #"{"body":{"messageNumber":0,"message":{},"timestamp":1},"signature":"00"}"#,
    #"{"body":{"messageNumber":-1,"message":{},"timestamp":1},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":1.5,"message":{},"timestamp":1},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":0,"message":[],"timestamp":1},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":1,"message":{},"timestamp":1},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":0,"previousSignature":"SIGNATURE","message":{}},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":1,"previousSignature":"zz","message":{}},"signature":"SIGNATURE"}"#,
    #"{"body":{"messageNumber":0,"message":{},"timestamp":1},"signature":"SIGNATURE","note":"not signed"}"#,
    #"{"note":null,"body":{"messageNumber":0,"message":{},"timestamp":1},"signature":"SIGNATURE"}"#,
  ])
  func documentsThatAreNotSignedMessagesAreRejected(text: String) {
    let filled = text.replacing("SIGNATURE", with: String(repeating: "ab", count: 64))
    #expect(throws: KacheryError.self) { try SignedMessage(Array(filled.utf8)) }
  }

  /// Members of the body that are not known here are signed as well.
  @Test func anUnknownMemberIsAcceptedOnlyInTheBody() throws {
    let body = #"{"later":[1],"message":{},"messageNumber":0,"timestamp":1}"#
    let signature = Hex.encode(try signer().sign(Array(body.utf8)))
    let verifier = try VerifyingKey(try signer().publicKey)
    #expect(try SignedMessage(Array(#"{"body":\#(body),"signature":"\#(signature)"}"#.utf8)).isSigned(by: verifier))
    #expect(throws: KacheryError.self) {
      try SignedMessage(Array(#"{"body":\#(body),"signature":"\#(signature)","later":1}"#.utf8))
    }
  }

  /// A damaged message is rejected, or has another signature or body, and then the signature is invalid.
  @Test(arguments: UInt64(0)..<200)
  func damagedMessagesAreRefusedOrNotSigned(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let original = try message()
    let text = random.mutated(original.text)
    guard let damaged = try? SignedMessage(text) else { return }
    let isSame =
      damaged.signature == original.signature && SignedMessage.plain(text) == SignedMessage.plain(original.text)
    let isSigned = damaged.isSigned(by: try VerifyingKey(try signer().publicKey))
    #expect(!isSigned || isSame, "seed \(seed)")
  }

  @Test func messagesThatWereKeptAreRefusedOrNotSigned() throws {
    let key = try VerifyingKey(try signer().publicKey)
    for (name, bytes) in try FuzzCorpus.inputs(of: "signed-message") {
      guard let message = try? SignedMessage(bytes) else { continue }
      #expect(message.text == bytes && !message.isSigned(by: key), "\(name)")
    }
  }

  @Test func aSubfeedsNameIsItsHash() throws {
    #expect(try SubfeedHash(name: "main").hex == "b28b7af69320201d1cf206ebf28373980add1451")
    #expect(try SubfeedHash(name: ["b": 1, "a": [2]]) == SubfeedHash(ContentHash.of(Array(#"{"a":[2],"b":1}"#.utf8))))
    let hash = String(repeating: "ab", count: 20)
    #expect(try SubfeedHash(name: .string("~" + hash)).hex == hash)
    #expect(throws: KacheryError.self) { try SubfeedHash(name: "~short") }
    let vectors = try Vectors.json("names.json")
    for vector in try vectors.list("subfeeds") {
      #expect(try SubfeedHash(name: #require(vector["name"])).hex == vector["sha1"]?.string)
    }
    for name in try vectors.list("notSubfeeds") { #expect(throws: KacheryError.self) { try SubfeedHash(name: name) } }
  }

  /// Cut out of the document or parsed with it: the message is the same, on one line.
  @Test func theMessageItselfIsTakenOutOfAnyDocument() throws {
    let hard: JSONObject = ["a}": "{\"\\", "b": ["c": "\\\"}", "d": [["{"], "\n"]], "e": [:]]
    let key = try signer()
    let first = try SignedMessage(hard, number: 0, previous: nil, at: WallTime(milliseconds: 1), with: key)
    let second = try SignedMessage(
      hard, number: 12, previous: first.signature, at: WallTime(milliseconds: 1), metaData: ["message": 1], with: key)
    for message in [first, second] {
      let spaced = String(decoding: message.text, as: UTF8.self).replacing("\"message\":{", with: "\"message\":{\n")
      for text in [message.text, Array(spaced.utf8)] {
        let plain = SignedMessage.plain(text)
        #expect(try JSONParser.parse(plain) == .object(hard))
        #expect(!plain.contains(10))
      }
      for count in 0..<message.text.count - 1 {
        let cut = SignedMessage.plain(Array(message.text.prefix(count)))
        #expect(cut == Array("null".utf8) || cut == SignedMessage.plain(message.text))
      }
    }
  }
}

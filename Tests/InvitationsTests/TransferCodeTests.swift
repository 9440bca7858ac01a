import Primitives
import TestSupport
import Testing

@testable import Invitations

@Suite struct WordListTests {
  @Test func theWordsAreDistinctAndEasyToType() {
    let words = WordList.words
    #expect(words.count == 1_024)
    #expect(words == words.sorted())
    #expect(words.allSatisfy { $0.utf8.allSatisfy { (0x61...0x7a).contains($0) } && (4...6).contains($0.utf8.count) })
    #expect(Set(words.map { ByteString($0.prefix(TransferCode.abbreviation)) }).count == words.count)
  }

  /// A wrong letter, or two swapped ones, make no other word.
  @Test func neighborsAreFarApart() {
    let words = Set(WordList.words.map { ByteString($0) })
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z"))
    for word in WordList.words {
      let bytes = Array(word.utf8)
      for index in bytes.indices {
        for letter in letters where letter != bytes[index] {
          var typo = bytes
          typo[index] = letter
          #expect(!words.contains(ByteString(String(decoding: typo, as: UTF8.self))), "\(word)")
        }
        guard index > 0, bytes[index] != bytes[index - 1] else { continue }
        var swapped = bytes
        swapped.swapAt(index, index - 1)
        #expect(!words.contains(ByteString(String(decoding: swapped, as: UTF8.self))), "\(word)")
      }
    }
  }
}

@Suite struct TransferCodeTests {
  private static func code(_ seed: UInt64 = 1, at places: String...) throws -> TransferCode {
    var random = SeededRandom(seed: seed)
    let addresses = try places.map { try #require(Address(bootstrap: $0)) }
    return TransferCode(meetingPoints: addresses, random: &random)
  }

  private static func problem(_ text: String) -> String {
    do throws(KacheryError) {
      _ = try TransferCode(text)
      return "none"
    } catch {
      return error.code == .badRequest ? error.message : "\(error)"
    }
  }

  @Test func aCodeIsReadAsItIsPrinted() throws {
    for code in [
      try Self.code(), try Self.code(2, at: "boot.example.org:14507"), try Self.code(3, at: "[2001:db8::1]:443", "h:1"),
      try Self.code(4, at: "wss://www.example.org"),
    ] {
      #expect(try TransferCode(code.description) == code)
      let safe = Array("abcdefghijklmnopqrstuvwxyz0123456789-@:.,/".utf8)
      #expect(code.description.utf8.allSatisfy { safe.contains($0) }, "\(code.description)")
    }
  }

  @Test func itMayBeTypedCarelessly() throws {
    let code = try Self.code(5, at: "boot.example.org:14507")
    let short = code.words.map { String($0.prefix(4)).uppercased() }.joined(separator: " ")
    #expect(try TransferCode(" \(short) @boot.example.org:14507".split(separator: " ").joined(separator: "-")) == code)
    #expect(try TransferCode("\(short)@boot.example.org:14507") == code)
    #expect(try TransferCode(code.phrase).words == code.words)
    #expect(try TransferCode(code.phrase).meetingPoints.isEmpty)
  }

  @Test func aWrongWordIsNamed() throws {
    var words = try Self.code().words
    words[2] = "algea"
    let problem = Self.problem(words.joined(separator: "-"))
    #expect(problem == "'algea' is not a word of codes. Did you mean 'algae'?")
    words[2] = "zzzzzzzzzz"
    #expect(Self.problem(words.joined(separator: "-")).hasSuffix("is not a word of codes."))
  }

  /// Any other word in any place, and any two words swapped, with few exceptions, do not fit the last word.
  @Test func theLastWordIsAChecksum() throws {
    let words = try Self.code(6).words
    var accepted = 0
    for index in words.indices {
      for other in WordList.words where other != words[index] {
        var typo = words
        typo[index] = other
        if Self.problem(typo.joined(separator: "-")) == "none" { accepted += 1 }
      }
    }
    // 1 in 1,024 of 6,138; a wrong last word never fits.
    #expect(accepted < 20)
    var swapped = words
    swapped.swapAt(0, 1)
    #expect(Self.problem(swapped.joined(separator: "-")).contains("two are swapped"))
  }

  @Test func otherCodesAreRefused() throws {
    let code = try Self.code()
    #expect(Self.problem("").contains("not 0"))
    #expect(Self.problem(code.words.dropLast().joined(separator: "-")).contains("not 5"))
    #expect(Self.problem("\(code.phrase)@nowhere").contains("not an address"))
    #expect(Self.problem("\(code.phrase)@h:1,h:2,h:3,h:4,h:5").contains("more than 4"))
    #expect(Self.problem(String(repeating: "a", count: 3_000)).contains("too long"))
  }

  @Test func codesDiffer() throws {
    let phrases = try Set((0..<500).map { ByteString(try Self.code($0).phrase) })
    #expect(phrases.count == 500)
  }

  @Test func aShellCompletesTheLastWord() throws {
    let code = try Self.code()
    #expect(TransferCode.continuations(of: "").count == 1_024)
    #expect(TransferCode.continuations(of: "alga") == ["algae-"])
    let begun = code.words.dropLast().joined(separator: "-")
    // The last word is not given away: it is to check the others.
    #expect(TransferCode.continuations(of: "\(begun)-").count == 1_024)
    #expect(TransferCode.continuations(of: "\(begun)-alga") == ["\(begun)-algae"])
    #expect(TransferCode.continuations(of: "\(code.phrase)-") == [])
    #expect(TransferCode.continuations(of: "\(code.phrase)@h") == [])
  }

  @Test func whatIsReadCanBeReadAgain() throws {
    var random = SeededRandom(seed: 43)
    let text = Array(try Self.code(7, at: "boot.example.org:14507", "[::1]:2").description.utf8)
    for _ in 0..<3_000 {
      var bytes = text
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: index)
        default: bytes.insert(contentsOf: Array("-@:,a ".utf8).shuffled(using: &random).prefix(1), at: index)
        }
      }
      guard let code = try? TransferCode(String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try TransferCode(code.description) == code)
    }
  }

  /// Both ends derive the same, also in later versions, and another code derives something else.
  @Test func theSecretIsFixed() throws {
    let code = try TransferCode(try Self.code(8).phrase)
    let secret = try TransferSecret(code)
    let again = try TransferSecret(code)
    #expect(secret.channel == again.channel && secret.feed == again.feed && secret.tag == again.tag)
    let other = try TransferSecret(try Self.code(9))
    #expect(secret.channel != other.channel && secret.feed != other.feed && secret.tag != other.tag)
    #expect(secret.channel.text.begins(with: "transfer-") && secret.channel.utf8.count == 41)
    #expect(secret.offers != secret.answers)
  }
}

@Suite struct TransferMessageTests {
  @Test func messagesAreReadAsTheyAreWritten() throws {
    let hash = ContentHash.filled(with: 7)
    for offer in [
      TransferOffer(.folder(hash, files: 3, bytes: 5_000_000_000), label: "laptop"),
      TransferOffer(.text(hash, bytes: 12), label: ""),
    ] { #expect(try TransferOffer(json: offer.json) == offer) }
    let answer = TransferAnswer(receiver: .filled(with: 9), label: "desk", loaded: 17, isDone: true)
    #expect(TransferAnswer(json: answer.json) == answer)
  }

  @Test func labelsCannotActOnATerminal() throws {
    let hostile = "a\u{1b}[2Jb\nc" + String(repeating: "x", count: 200)
    let offer = TransferOffer(.text(.filled(with: 1), bytes: 1), label: hostile)
    let label = try TransferOffer(json: offer.json).label
    #expect(label.utf8.count == 100 && label.printable == label)
  }

  @Test(arguments: [
    "{}", #"{"version":2,"bytes":1,"text":"00"}"#, #"{"version":1,"bytes":1}"#, #"{"version":1,"bytes":1,"text":"00"}"#,
    #"{"version":1,"bytes":-1,"folder":"0000000000000000000000000000000000000000","files":1}"#,
    #"{"version":1,"bytes":99999999,"text":"0000000000000000000000000000000000000000"}"#, "[]", "null",
  ])
  func whatIsNoOfferIsRefused(text: String) throws {
    let json = try JSONParser.parse(Array(text.utf8))
    #expect(throws: KacheryError.self) { try TransferOffer(json: json) }
    #expect(TransferAnswer(json: json) == nil)
  }
}

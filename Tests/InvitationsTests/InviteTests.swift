import Primitives
import TestSupport
import Testing

@testable import Invitations

@Suite struct InviteTests {
  private static func invite(_ channel: ByteString = "our-lab-7f3a9c") throws -> Invite {
    let texts = ["boot.example.org:14507", "[2001:db8::1]:443", "wss://www.example.org"]
    let addresses = try texts.map { try #require(Address(bootstrap: $0)) }
    return try Invite(channel: channel, bootstraps: addresses, expires: 1_795_000_000)
  }

  @Test func aLineHoldsEverything() throws {
    for invite in [
      try Self.invite(), try Self.invite("https://example.org/channel.yaml"), try Self.invite("Müller \u{1F9EA}"),
      try Invite(channel: "x", bootstraps: []),
    ] {
      #expect(try Invite(invite.line) == invite)
      #expect(Invite.isMeant(by: invite.line))
    }
  }

  /// Nothing in it means something to a shell, nor to programs that turn addresses in a text into links.
  @Test func aLineNeedsNoQuotes() throws {
    let line = try Self.invite("a b'c\"d$e&f?g*h").line
    #expect(line.utf8.allSatisfy { Base64URL.contains($0) })
  }

  /// The format does not change unnoticed: invites are kept in mails.
  @Test func theFormatIsFixed() throws {
    let line = "kachery-invite-1-ACaDAAAAAAAAAAAAA2xhYgABABUBABBib290LmV4YW1wbGUub3JnOKuz00W4EMY"
    let invite = try Invite(channel: "lab", bootstraps: [try #require(Address(bootstrap: "boot.example.org:14507"))])
    #expect(invite.line == line)
  }

  @Test func whiteSpaceFromAMailIsIgnored() throws {
    let line = try Self.invite().line
    let broken = " \(line.prefix(40))\r\n  \(line.dropFirst(40))\n"
    #expect(try Invite(broken) == Self.invite())
  }

  private static func problem(_ text: String) -> String {
    do throws(KacheryError) {
      _ = try Invite(text)
      return "none"
    } catch {
      return error.code == .badRequest ? error.message : "\(error)"
    }
  }

  @Test func aCutLineIsNamedAsSuch() throws {
    let line = try Self.invite().line
    for count in 15..<line.utf8.count {
      #expect(Self.problem(String(line.prefix(count))).contains("cut off"), "\(count)")
    }
  }

  @Test func aTypoIsNamedAsSuch() throws {
    let line = Array(try Self.invite().line.utf8)
    for index in 17..<line.count {
      for character in Array("A9-_.".utf8) where character != line[index] {
        var typo = line
        typo[index] = character
        let problem = Self.problem(String(decoding: typo, as: UTF8.self))
        // The last character may hold bits of no byte.
        #expect(problem.contains("wrong character") || (index == line.count - 1 && problem == "none"), "\(index)")
      }
    }
    #expect(Self.problem(String(decoding: line, as: UTF8.self) + "AAAA").contains("wrong character"))
  }

  @Test func otherTextsAreNamed() throws {
    #expect(Self.problem("our-lab").contains("not an invite"))
    #expect(Self.problem("kachery-invite-2-AAAA").contains("Upgrade"))
    #expect(Self.problem("kachery-invite-1-" + String(repeating: "A", count: 9_000)).contains("too long"))
    #expect(!Invite.isMeant(by: "kachery"))
  }

  @Test func limitsHold() throws {
    let address = try #require(Address(bootstrap: "h:1"))
    #expect(throws: KacheryError.self) {
      try Invite(channel: "x", bootstraps: Array(repeating: address, count: Invite.maximumBootstraps + 1))
    }
    #expect(throws: KacheryError.self) {
      try Invite(channel: ByteString(String(repeating: "x", count: 1_001)), bootstraps: [])
    }
    let host = String(repeating: "h", count: Endpoint.maximumHostLength)
    let long = try #require(Endpoint(host: host, port: 65_535))
    let largest = try Invite(
      channel: ByteString(String(repeating: "x", count: Invite.maximumChannelBytes)),
      bootstraps: Array(repeating: .secureWebSocket(long), count: Invite.maximumBootstraps), expires: .max)
    #expect(try Invite(largest.line) == largest)
  }

  @Test func anInviteExpires() throws {
    let invite = try Self.invite()
    #expect(!invite.hasExpired(at: WallTime(milliseconds: 1_794_999_999_999)))
    #expect(invite.hasExpired(at: WallTime(milliseconds: 1_795_000_000_000)))
    #expect(try !Invite(channel: "x", bootstraps: []).hasExpired(at: WallTime(milliseconds: .max)))
  }

  /// Whatever is read can be written, and is read as the same.
  @Test func damagedLinesAreRefusedOrReadAsWhatTheySay() throws {
    var random = SeededRandom(seed: 41)
    let line = Array(try Self.invite().line.utf8)
    for _ in 0..<20_000 {
      var bytes = line
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...127, using: &random)
        case 1: bytes.remove(at: Int.random(in: 0..<bytes.count, using: &random))
        default:
          let index = Int.random(in: 0..<bytes.count, using: &random)
          bytes.insert(UInt8.random(in: 32...127, using: &random), at: index)
        }
      }
      guard let read = try? Invite(String(decoding: bytes, as: UTF8.self)) else { continue }
      #expect(try Invite(read.line) == read)
    }
  }

  /// The body of an invite with a right checksum may be anything: another program can have made it.
  @Test func aForgedBodyIsReadSafely() throws {
    var random = SeededRandom(seed: 42)
    for _ in 0..<5_000 {
      let body = (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8.random(in: 0...3, using: &random) }
      guard let read = try? Invite(Invite.line(body: body)) else { continue }
      #expect(try Invite(read.line) == read)
    }
  }
}

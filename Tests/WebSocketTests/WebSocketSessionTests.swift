import Primitives
import TestSupport
import Testing

@testable import WebSocket

@Suite struct WebSocketSessionTests {
  /// Two ends, and what each has received.
  private final class Ends {
    let client: WebSocketSession
    let server: WebSocketSession
    var atClient: [UInt8] = []
    var atServer: [UInt8] = []

    init() throws { (client, server) = (try WebSocketSession(.client), try WebSocketSession(.server)) }

    /// Moves everything that is written, in pieces of this size.
    func move(by size: Int = 1_000) throws {
      var isMoving = true
      while isMoving {
        let toServer = Ends.output(of: client)
        for piece in Ends.pieces(toServer, size) {
          try piece.withUnsafeBytes { try server.receive($0) { atServer += $0 } }
        }
        let toClient = Ends.output(of: server)
        for piece in Ends.pieces(toClient, size) {
          try piece.withUnsafeBytes { try client.receive($0) { atClient += $0 } }
        }
        isMoving = !toServer.isEmpty || !toClient.isEmpty
      }
    }

    static func output(of session: WebSocketSession) -> [UInt8] {
      var bytes: [UInt8] = []
      session.drainOutput { bytes += $0 }
      return bytes
    }

    private static func pieces(_ bytes: [UInt8], _ size: Int) -> [[UInt8]] {
      stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
    }
  }

  @Test(arguments: [1, 2, 7, 4_096, 100_000])
  func bytesArriveInOrder(by size: Int) throws {
    let ends = try Ends()
    var random = SeededRandom(seed: UInt64(size))
    var (up, down): ([UInt8], [UInt8]) = ([], [])
    for count in [1, 125, 126, 65_535, 65_536, 65_537, 200_000, 3] {
      let bytes = random.bytes(count)
      bytes.withUnsafeBytes {
        ends.client.write($0)
        ends.server.write($0)
      }
      up += bytes
      down += bytes
      try ends.move(by: size)
    }
    #expect(ends.atServer == up)
    #expect(ends.atClient == down)
  }

  @Test func aClientMasksAndAServerDoesNot() throws {
    let ends = try Ends()
    let bytes = [UInt8](repeating: 0x55, count: 300)
    bytes.withUnsafeBytes {
      ends.client.write($0)
      ends.server.write($0)
    }
    let (up, down) = (Ends.output(of: ends.client), Ends.output(of: ends.server))
    #expect(up.prefix(2) == [0x82, 0x80 | 126] && up.count == 300 + 8)
    #expect(down.prefix(2) == [0x82, 126] && down.dropFirst(4).elementsEqual(bytes))
    #expect(!up.dropFirst(8).elementsEqual(bytes))
  }

  @Test func messagesAreNeitherLongNorSplit() throws {
    let ends = try Ends()
    [UInt8](repeating: 1, count: 150_000).withUnsafeBytes { ends.server.write($0) }
    let frames = Ends.output(of: ends.server)
    var (place, sizes): (Int, [Int]) = (0, [])
    while place < frames.count {
      #expect(frames[place] == 0x82, "each frame is a whole binary message")
      let (count, head) =
        frames[place + 1] == 127
        ? (frames[(place + 2)..<(place + 10)].reduce(0) { $0 << 8 | Int($1) }, 10)
        : (Int(frames[place + 2]) << 8 | Int(frames[place + 3]), 4)
      sizes.append(count)
      place += head + count
    }
    #expect(sizes == [65_536, 65_536, 18_928])
  }

  @Test func aCloseIsAnsweredAndNoticed() throws {
    let ends = try Ends()
    ends.client.close()
    ends.client.close()
    try ends.move()
    #expect(ends.server.isClosedByPeer && ends.client.isClosedByPeer)
    #expect(ends.atServer.isEmpty && ends.atClient.isEmpty)
  }

  @Test func aPingIsAnsweredAndIsNoData() throws {
    let ends = try Ends()
    // A ping by the server, with three bytes.
    try [UInt8]([0x89, 3, 1, 2, 3]).withUnsafeBytes { try ends.client.receive($0) { _ in Issue.record("it is data") } }
    let pong = Ends.output(of: ends.client)
    #expect(pong.prefix(2) == [0x8a, 0x83] && pong.count == 9)
  }

  @Test(
    arguments: [
      [0x81, 2, 0x68, 0x69],  // text
      [0x82, 127, 0, 0, 0, 0, 0, 4, 0, 1, 0],  // a message of more than 256 KiB
      [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], [0xc2, 1, 0],  // a reserved bit
      [0x83, 0], [0x09, 0],  // an unknown kind; a split ping
      [0x80, 1, 0],  // a continuation of nothing
      [0x89, 126, 0, 126],  // a long ping
    ] as [[UInt8]])
  func otherFramesEndIt(frame: [UInt8]) throws {
    let session = try WebSocketSession(.client)
    #expect {
      try frame.withUnsafeBytes { try session.receive($0) { _ in Issue.record("it is data") } }
    } throws: {
      ($0 as? KacheryError)?.code == .protocolViolation
    }
  }

  /// RFC 6455, section 5.1.
  @Test func aServerAcceptsMaskedFramesAlone() throws {
    let (one, other) = (try WebSocketSession(.server), try WebSocketSession(.server))
    [UInt8]([1, 2, 3]).withUnsafeBytes { one.write($0) }
    let frames = Ends.output(of: one)
    #expect(throws: KacheryError.self) {
      try frames.withUnsafeBytes { try other.receive($0) { _ in Issue.record("it is data") } }
    }
  }

  @Test func framesThatWereKeptDoNoHarm() throws {
    for (_, bytes) in try FuzzCorpus.inputs(of: "websocket") {
      for role in [WebSocketSession.Role.client, .server] {
        let session = try WebSocketSession(role)
        try? bytes.withUnsafeBytes { try session.receive($0) { _ in } }
      }
    }
  }

  @Test(arguments: 0..<20)
  func damagedFramesNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<100 {
      let (client, server) = (try WebSocketSession(.client), try WebSocketSession(.server))
      random.bytes(300).withUnsafeBytes { client.write($0) }
      client.close()
      let frames = random.mutated(Ends.output(of: client))
      try? frames.withUnsafeBytes { try server.receive($0) { _ in } }
    }
  }
}

@Suite struct WebSocketUpgradeTests {
  private let request = """
    GET /kachery HTTP/1.1\r
    Host: node.example.org\r
    Upgrade: WebSocket\r
    Connection: keep-alive, Upgrade\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
    Sec-WebSocket-Version: 13\r
    Sec-WebSocket-Protocol: chat, kachery\r
    \r\n
    """

  private func answer(to text: String) throws -> WebSocketUpgrade.Answer {
    WebSocketUpgrade.Answer(to: try HTTPHead(Array(text.utf8)))
  }

  @Test func theExampleOfTheStandardIsAnswered() throws {
    let answer = try answer(to: request)
    #expect(answer.problem == nil)
    let text = String(decoding: answer.bytes, as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 101 ") && text.hasSuffix("\r\n\r\n"))
    #expect(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
    #expect(text.contains("Sec-WebSocket-Protocol: kachery\r\n"))
  }

  @Test func theTwoSidesUnderstandEachOther() throws {
    let request = WebSocketUpgrade.Request(host: "[2001:db8::1]:8443")
    let head = try HTTPHead(request.bytes)
    #expect(head["host"] == "[2001:db8::1]:8443")
    let answer = WebSocketUpgrade.Answer(to: head)
    try request.check(try HTTPHead(answer.bytes), from: "the server")
    let other = WebSocketUpgrade.Request(host: "x")
    #expect(throws: KacheryError.self) { try other.check(try HTTPHead(answer.bytes), from: "the server") }
  }

  @Test(arguments: [
    ("GET /kachery ", "POST /kachery ", "404"), ("/kachery ", "/other ", "404"), ("HTTP/1.1", "HTTP/1.0", "400"),
    ("Upgrade: WebSocket", "Upgrade: h2c", "400"), ("keep-alive, Upgrade", "keep-alive", "400"),
    ("Version: 13", "Version: 8", "400"), ("chat, kachery", "chat", "400"), ("jZQ==", "jZ", "400"),
    ("ZQ==", "", "400"), ("Host: ", "Origin: https://evil.example\r\nHost: ", "403"),
  ])
  func otherRequestsAreRefused(old: String, new: String, status: String) throws {
    let text = request.replacing(old, with: new)
    try #require(text != request)
    let answer = try answer(to: text)
    #expect(answer.problem != nil)
    #expect(String(decoding: answer.bytes, as: UTF8.self).hasPrefix("HTTP/1.1 \(status) "))
  }

  @Test(arguments: [
    ("HTTP/1.1 404 Not Found", "--websocket-port"), ("HTTP/1.1 502 Bad Gateway", "behind it"),
    ("HTTP/1.1 200 OK", "ask its administrators"), ("HTTP/1.1 426 Upgrade Required", "headers Upgrade"),
    ("SSH-2.0-OpenSSH", "not a web server"), ("HTTP/1.1 101 Switching Protocols", "not those of kachery"),
  ])
  func refusalsAreExplained(line: String, sentence: String) throws {
    let head = try HTTPHead(Array("\(line)\r\nServer: x\r\n\r\n".utf8))
    #expect {
      try WebSocketUpgrade.Request(host: "x").check(head, from: "wss://x:443")
    } throws: {
      guard let message = ($0 as? KacheryError)?.message else { return false }
      return message.hasPrefix("wss://x:443") && message.contains(sentence)
    }
  }

  @Test(arguments: ["", "\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nna me: x\r\n\r\n"])
  func whatIsNoHeadIsRefused(text: String) {
    #expect(throws: KacheryError.self) { try HTTPHead(Array(text.utf8)) }
  }

  @Test func headsThatWereKeptAreRefused() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "http-head") {
      guard let head = try? HTTPHead(bytes) else { continue }
      #expect(WebSocketUpgrade.Answer(to: head).problem != nil, "\(name)")
      #expect(throws: KacheryError.self, "\(name)") {
        try WebSocketUpgrade.Request(host: "x").check(head, from: "x")
      }
    }
  }

  @Test(arguments: 0..<20)
  func damagedHeadsNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<50 {
      guard let head = try? HTTPHead(random.mutated(Array(request.utf8))) else { continue }
      _ = WebSocketUpgrade.Answer(to: head)
      try? WebSocketUpgrade.Request(host: "x").check(head, from: "x")
    }
  }
}

import HTTP
import Primitives
import TestSupport
import Testing

private let hostLine = "Host: localhost\r\n"

/// Clients that stop halfway, or whose requests can be read in two ways, on raw sockets.
@Suite(.timeLimit(.minutes(2))) struct HostileClientTests {
  /// Answers with the number of bytes in the body.
  private static let count: WatchedServer.Answer = { _, exchange in
    var count = 0
    while let chunk = try? await exchange.nextBodyChunk() { count += chunk.count }
    exchange.respond(HTTPResponse(contentType: "text/plain", body: Array("\(count) bytes".utf8)))
  }

  @Test(arguments: [
    "", "G", "GET / HTTP/1.1\r\nHost: local", "POST / HTTP/1.1\r\n\(hostLine)Content-Length: 100\r\n\r\nhalf a body",
    "POST / HTTP/1.1\r\n\(hostLine)Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
  ])
  func whoStopsHalfwayIsCutOff(_ beginning: String) async throws {
    let clock = AdvancingClock()
    try await WatchedServer.serve(clock: clock, answer: Self.count) { port, check in
      let client = try #require(RawConnection(port: port))
      client.send(beginning)
      // Another request and its answer: the server has read what was sent before.
      let other = try #require(RawConnection(port: port))
      other.send("GET / HTTP/1.1\r\n\(hostLine)\r\n")
      #expect(other.receive(until: "0 bytes").hasSuffix("0 bytes"))
      check()
      clock.advance(by: .seconds(9))
      check()
      #expect(client.isSilent)
      // A byte now and then extends nothing.
      if beginning.hasSuffix("local") { client.send("h") }
      clock.advance(by: .seconds(40))
      check()
      check()
      #expect(client.receiveToEnd() == "", "\(beginning)")
    }
  }

  @Test func thousandsOfSilentConnectionsLockNobodyOut() async throws {
    try await WatchedServer.serve(connections: 64, answer: Self.count) { port, _ in
      var silent: [RawConnection] = []
      for index in 0..<500 {
        let client = try #require(RawConnection(port: port))
        if index % 2 == 0 { client.send("GET / HTTP/1.1\r\nHost: l") }
        silent.append(client)
        guard index % 100 == 99 else { continue }
        let other = try #require(RawConnection(port: port))
        other.send("GET / HTTP/1.1\r\n\(hostLine)\r\n")
        #expect(other.receive(until: "0 bytes").hasSuffix("0 bytes"))
      }
      #expect(silent[0].receiveToEnd() == "")
    }
  }

  @Test(arguments: [
    "\(hostLine)Content-Length: 5\r\nContent-Length: 5\r\n", "\(hostLine)Content-Length: 5\r\nContent-Length: 6\r\n",
    "\(hostLine)Content-Length: 5, 5\r\n", "\(hostLine)Content-Length: +5\r\n", "\(hostLine)Content-Length: 5 5\r\n",
    "\(hostLine)Content-Length: -5\r\n", "\(hostLine)Content-Length: 0x5\r\n", "\(hostLine)Content-Length: \r\n",
    "\(hostLine)Content-Length: 99999999999999999999\r\n", "\(hostLine)Content-Length : 5\r\n",
    "\(hostLine)Content-Length\t: 5\r\n",
    "\(hostLine)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "\(hostLine)Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "\(hostLine)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "\(hostLine)Transfer-Encoding: gzip\r\n",
    "\(hostLine)Transfer-Encoding: gzip, chunked\r\n",
    "\(hostLine)Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
    "\(hostLine)Transfer-Encoding: xchunked\r\n", "\(hostLine)Transfer-Encoding: \u{b}chunked\r\n",
    "\(hostLine)Transfer-Encoding:\r\n chunked\r\n", "\(hostLine)Transfer-Encoding: chun\r\n ked\r\n",
    "\(hostLine)X: y\r\n folded\r\nContent-Length: 5\r\n", "\(hostLine)Content-Length: 5\r\nX: y\r\n\tfolded\r\n",
    " X: y\r\n\(hostLine)Content-Length: 5\r\n", "\(hostLine)\(hostLine)Content-Length: 5\r\n",
    "\(hostLine)Host: evil.example\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n",
    "\(hostLine)X\u{0}: y\r\nContent-Length: 5\r\n",
    "\(hostLine)X: y\u{0}z\r\nContent-Length: 5\r\n", "\(hostLine): y\r\nContent-Length: 5\r\n",
    "\(hostLine)no colon\r\nContent-Length: 5\r\n", "\(hostLine)X: y\rContent-Length: 50\r\nContent-Length: 5\r\n",
    "\(hostLine)Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
  ])
  func ambiguousRequestsAreRefusedAndTheConnectionClosed(_ headers: String) async throws {
    try await WatchedServer.serve(answer: Self.count) { port, _ in
      let client = try #require(RawConnection(port: port))
      client.send("POST / HTTP/1.1\r\n\(headers)\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\(hostLine)\r\n")
      let answer = try #require(client.receiveToEnd(), "\(headers.debugDescription) is left waiting")
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(headers.debugDescription): \(answer)")
      #expect(!answer.contains(" bytes"), "\(headers.debugDescription): \(answer)")
    }
  }

  @Test(arguments: [
    ("\(hostLine)Content-Length: 5\r\n", "hello", 5), ("\(hostLine)Content-Length: 0\r\n", "", 0), (hostLine, "", 0),
    ("\(hostLine)Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n2\r\nyo\r\n0\r\n\r\n", 7),
    ("\(hostLine)Transfer-Encoding: Chunked\r\n", "0\r\n\r\n", 0),
    ("HOST:\tlocalhost\r\ncontent-length:  5\r\n", "hello", 5),
    ("\(hostLine)X:\r\nY: a b  c\r\nCookie: a=b; c=d\r\nContent-Length: 5\r\n", "hello", 5),
    ("\(hostLine)X: " + String(repeating: "long ", count: 10_000) + "\r\nContent-Length: 5\r\n", "hello", 5),
  ])
  func plainRequestsAreAnsweredOneAfterTheOther(_ headers: String, _ body: String, _ size: Int) async throws {
    try await WatchedServer.serve(answer: Self.count) { port, _ in
      let client = try #require(RawConnection(port: port))
      for _ in 0..<3 {
        client.send("POST /?a=b HTTP/1.1\r\n\(headers)\r\n\(body)")
        #expect(client.receive(until: "\(size) bytes").hasSuffix("\r\n\r\n\(size) bytes"))
      }
      // All at once.
      client.send(String(repeating: "POST / HTTP/1.1\r\n\(headers)\r\n\(body)", count: 3) + "GET / HTTP/9.1\r\n\r\n")
      let answers = try #require(client.receiveToEnd())
      #expect(answers.split(separator: "HTTP/1.1 200 OK").count == 3, "\(answers)")
    }
  }

  /// As the published clients store an empty file.
  @Test func anEmptyFileOfThePublishedClientsIsAnEmptyBody() async throws {
    try await WatchedServer.serve(answer: Self.count) { port, _ in
      for headers in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 0\r\n",
      ] {
        let client = try #require(RawConnection(port: port))
        client.send("POST /store HTTP/1.1\r\n\(hostLine)\(headers)\r\n")
        let answer = try #require(client.receiveToEnd())
        #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("\r\n\r\n0 bytes"), "\(answer)")
      }
    }
  }
}

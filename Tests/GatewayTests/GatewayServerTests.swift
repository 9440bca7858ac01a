import Glibc
import HTTP
import Primitives
import TestSupport
import Testing

@testable import Gateway

/// The server with files that fail in every way, and clients that do.
@Suite(.timeLimit(.minutes(2))) struct GatewayServerTests {
  private static func get(_ first: UInt8, _ headers: String = "") -> String {
    "GET /sha1/\(SharedFake.hash(first))/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(headers)\r\n"
  }

  private static func answer(_ request: String, _ port: UInt16) throws -> String {
    let client = try #require(RawConnection(port: port))
    client.send(request)
    return try #require(client.receiveToEnd(), "\(request.prefix(200))")
  }

  @Test func problemsHaveAStatusAndTellNoSecrets() async throws {
    try await SharedFake.serve { port, metrics in
      for problem in SharedFake.problems {
        let answer = try Self.answer(Self.get(problem.first), port)
        #expect(answer.hasPrefix("HTTP/1.1 \(problem.status) "), "\(answer)")
        #expect(!answer.contains("secret") && answer.contains("Cache-Control: no-store"), "\(answer)")
      }
      #expect(try Self.answer(Self.get(1), port).hasPrefix("HTTP/1.1 502 "))
      // The head is sent by then, so the connection ends too early.
      let cut = try Self.answer(Self.get(2), port)
      #expect(cut.hasPrefix("HTTP/1.1 200 ") && cut.contains("Content-Length: \(SharedFake.size)"))
      #expect(cut.utf8.count < 3_000_000)
      let counted = Dictionary(uniqueKeysWithValues: metrics.values)
      #expect(counted["kachery_gateway_requests_total"] == 10)
      #expect(
        counted["kachery_gateway_server_errors_total"] == 8 && counted["kachery_gateway_client_errors_total"] == 2)
    }
  }

  @Test(arguments: [
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
  ])
  func bodiesAreRefusedUnread(request: String) async throws {
    try await SharedFake.serve { port, _ in
      let answer = try Self.answer(request, port)
      #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer)")
    }
  }

  @Test func aRangeIsSentWithItsLength() async throws {
    try await SharedFake.serve { port, _ in
      let part = try Self.answer(Self.get(0, "Range: bytes=1000000-1999999\r\n"), port)
      #expect(part.hasPrefix("HTTP/1.1 206 ") && part.contains("Content-Length: 1000000\r\n"))
      #expect(part.contains("Content-Range: bytes 1000000-1999999/10000000\r\n"))
      #expect(part.hasSuffix("\r\n\r\n" + String(repeating: "x", count: 1_000_000)))
    }
  }

  @Test(arguments: [UInt8(0xaa), 3]) func nodesThatDoNotAnswerAreNotAwaitedForever(kind: UInt8) async throws {
    var patience = GatewayServer.Patience()
    (patience.search, patience.chunk) = (.milliseconds(50), .milliseconds(50))
    try await SharedFake.serve(patience: patience) { port, _ in
      let answer = try Self.answer(Self.get(kind), port)
      #expect(answer.hasPrefix("HTTP/1.1 504 "), "\(answer)")
    }
  }

  /// They keep their connections to the server from being used, although they take nothing that would end them.
  @Test func clientsThatTakeNothingAreCutOff() async throws {
    var patience = GatewayServer.Patience()
    patience.client = .milliseconds(400)
    // Of which a web server on this machine may have six.
    try await SharedFake.serve(patience: patience, connections: 8) { port, metrics in
      func running() -> Int { metrics.values.first { $0.name == "kachery_gateway_running_answers" }?.value ?? -1 }
      func asksAgain() throws -> Bool { try Self.answer(Self.get(0, "Range: bytes=0-4\r\n"), port).hasSuffix("xxxxx") }
      // One after the other: too many connections without a request push each other out.
      var clients: [RawConnection] = []
      for _ in 0..<6 {
        let client = try #require(RawConnection(port: port))
        clients.append(client)
        client.send(Self.get(9))
        #expect(client.receive(until: "HTTP/1.1 200").contains("HTTP/1.1 200"))
      }
      var isServed = [try asksAgain()]
      for _ in 0..<1_000 where isServed.last == false || running() > 0 {
        usleep(20_000)
        isServed.append(try asksAgain())
      }
      #expect(isServed.last == true && running() == 0)
      // The system has taken a part of each answer for its client.
      let taken = try #require(clients[0].receiveToEnd()).utf8.count
      #expect(taken > 0 && taken < 200_000_000, "\(taken)")
    }
  }
}

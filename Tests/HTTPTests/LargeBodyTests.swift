import HTTP
import Testing

@Suite struct LargeBodyTests {
  @Test(arguments: [0, 1, 100_000, 5_000_000])
  func aBodyArrivesCompleteAfterOneSignal(_ size: Int) async throws {
    let reply = try await WatchedServer.reply(limit: 100) { port in
      var request = HTTPRequest("POST", "http://127.0.0.1:\(port)/")
      request.body = .bytes([UInt8](repeating: 7, count: size))
      return request
    } answer: { _, exchange in
      var count = 0
      while let chunk = try? await exchange.nextBodyChunk() { count += chunk.count }
      exchange.respond(HTTPResponse(contentType: "text/plain", body: Array("\(count)".utf8)))
    }
    #expect(String(decoding: reply, as: UTF8.self) == "\(size)")
  }

  /// Small pieces, many of which are sent together, and pieces that need several turns.
  @Test(arguments: [
    [1], [0, 3, 0, 5], Array(repeating: 7, count: 5_000), [1, 200_000, 2, 65_536, 65_535, 3, 1_500_000, 4],
  ])
  func piecesOfAnAnswerArriveCompleteAndInOrder(_ sizes: [Int]) async throws {
    let pieces = sizes.enumerated().map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $1) }
    let reply = try await WatchedServer.reply(limit: 10_000_000) { port in
      HTTPRequest("GET", "http://127.0.0.1:\(port)/")
    } answer: { _, exchange in
      exchange.beginStream(headers: [])
      for piece in pieces { try? await exchange.write(piece) }
      exchange.finish()
    }
    #expect(reply == pieces.flatMap { $0 })
  }
}

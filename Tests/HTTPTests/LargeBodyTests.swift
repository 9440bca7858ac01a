import EventLoop
import HTTP
import Testing

/// A server that is looked after as the daemon does it, but by no timer: what its descriptor does not tell is not seen.
private actor ByteCountServer {
  private let loop: EventLoop
  private var server: HTTPServer?
  private var watch: DescriptorWatch?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ loop: EventLoop) { self.loop = loop }

  /// Answers each request with the number of bytes that its body had; gives back the port.
  func start() throws -> UInt16 {
    let server = try HTTPServer(host: "127.0.0.1", port: 0)
    server.onRequest = { exchange in
      Task { await self.answer(exchange) }
    }
    server.onWorkReady = { [loop] in _ = loop.after(.zero) { server.process() } }
    watch = try loop.watch(descriptor: server.descriptor) { server.process() }
    self.server = server
    return server.port
  }

  func stop() {
    watch?.cancel()
    server?.close()
    server?.onWorkReady = nil
  }

  private func answer(_ exchange: HTTPExchange) async {
    var count = 0
    while let chunk = try? await exchange.nextBodyChunk() { count += chunk.count }
    exchange.respond(HTTPResponse(contentType: "text/plain", body: Array("\(count)".utf8)))
  }
}

@Suite struct LargeBodyTests {
  @Test(arguments: [0, 1, 100_000, 5_000_000])
  func aBodyComesWholeThoughTheDescriptorSpeaksOnce(_ size: Int) async throws {
    let loop = try EventLoop(name: "http-test")
    let server = ByteCountServer(loop)
    let port = try await server.start()
    var request = HTTPRequest("POST", "http://127.0.0.1:\(port)/")
    request.body = .bytes([UInt8](repeating: 7, count: size))
    request.timeout = .seconds(20)
    let posted = request
    let answer = await loop.onPoolResult { try HTTPClient.fetch(posted, limit: 100) }
    await server.stop()
    await loop.shutdown()
    #expect(try String(decoding: answer.get().body, as: UTF8.self) == "\(size)")
  }
}

extension EventLoop {
  fileprivate func onPoolResult<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async -> Result<T, any Error> {
    do { return .success(try await onPool(body)) } catch { return .failure(error) }
  }
}

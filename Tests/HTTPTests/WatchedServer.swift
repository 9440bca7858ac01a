import EventLoop
import HTTP
import Primitives

/// A server driven as in the daemon, but without a timer: only signals of its descriptor are handled.
actor WatchedServer {
  /// Answers one request.
  typealias Answer = @Sendable (isolated WatchedServer, HTTPExchange) async -> Void

  private let loop: EventLoop
  private let answer: Answer
  private var server: HTTPServer?
  private var watch: DescriptorWatch?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(_ loop: EventLoop, _ answer: @escaping Answer) {
    self.loop = loop
    self.answer = answer
  }

  /// The reply of such a server to this request; `port` completes the request.
  static func reply(
    limit: Int, to request: @Sendable (_ port: UInt16) -> HTTPRequest, answer: @escaping Answer
  ) async throws -> [UInt8] {
    let loop = try EventLoop(name: "http-test")
    let server = WatchedServer(loop, answer)
    var asked = request(try await server.start())
    asked.timeout = .seconds(20)
    let posted = asked
    let reply = try await loop.onPool { () throws(KacheryError) in
      Result { () throws(KacheryError) in try HTTPClient.fetch(posted, limit: limit) }
    }
    await server.stop()
    await loop.shutdown()
    return try reply.get().body
  }

  private func start() throws -> UInt16 {
    let server = try HTTPServer(host: "127.0.0.1", port: 0)
    server.onRequest = { exchange in
      Task { await self.answer(self, exchange) }
    }
    server.onWorkReady = { [loop] in _ = loop.after(.zero) { server.process() } }
    watch = try loop.watch(descriptor: server.descriptor) { server.process() }
    self.server = server
    return server.port
  }

  private func stop() {
    watch?.cancel()
    server?.close()
    server?.onWorkReady = nil
  }
}

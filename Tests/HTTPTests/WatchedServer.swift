import EventLoop
import HTTP
import Primitives
import Synchronization
import TestSupport

/// A clock that a test puts forward.
final class AdvancingClock: Sendable {
  private let nanoseconds = Atomic<UInt64>(0)

  /// By how much it has been put forward.
  var offset: Duration { .nanoseconds(Int64(nanoseconds.load(ordering: .relaxed))) }

  func advance(by duration: Duration) { nanoseconds.add(duration.wholeNanoseconds, ordering: .relaxed) }
}

/// A server driven as in the daemon, but without a timer: only signals of its descriptor are handled.
actor WatchedServer {
  /// Answers one request.
  typealias Answer = @Sendable (isolated WatchedServer, HTTPExchange) async -> Void

  private let loop: EventLoop
  private let answer: Answer
  private let clock: AdvancingClock
  private var server: HTTPServer?
  private var watch: DescriptorWatch?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(_ loop: EventLoop, _ clock: AdvancingClock, _ answer: @escaping Answer) {
    self.loop = loop
    self.clock = clock
    self.answer = answer
  }

  /// Runs clients of such a server, on a thread of their own.
  static func serve<Value: Sendable>(
    connections: Int = HTTPServer.maximumConnections, clock: AdvancingClock = AdvancingClock(),
    answer: @escaping Answer,
    to clients: @escaping @Sendable (_ port: UInt16, _ check: @Sendable () -> Void) throws -> Value
  ) async throws -> Value {
    let loop = try EventLoop(name: "http-test")
    let server = WatchedServer(loop, clock, answer)
    let port = try await server.start(connections)
    let result: Result<Value, any Error>
    do {
      result = .success(try await onOwnThread { try clients(port) { loop.post { server.check() } } })
    } catch { result = .failure(error) }
    await server.stop()
    await loop.shutdown()
    return try result.get()
  }

  /// The reply of such a server to this request; `port` completes the request.
  static func reply(
    limit: Int, to request: @escaping @Sendable (_ port: UInt16) -> HTTPRequest, answer: @escaping Answer
  ) async throws -> [UInt8] {
    try await serve(answer: answer) { port, _ in
      var asked = request(port)
      asked.timeout = .seconds(20)
      return try HTTPClient.fetch(asked, limit: limit).body
    }
  }

  private func start(_ connections: Int) throws -> UInt16 {
    let server = try HTTPServer(
      host: "127.0.0.1", port: 0, connections: connections, now: { [loop, clock] in loop.now + clock.offset })
    server.onRequest = { exchange in
      Task { await self.answer(self, exchange) }
    }
    server.onWorkReady = { [loop] in _ = loop.after(.zero) { server.process() } }
    watch = try loop.watch(descriptor: server.descriptor) { server.process() }
    self.server = server
    return server.port
  }

  /// Does what the daemon does every half second. To be called on the loop.
  private nonisolated func check() { assumeIsolated { $0.server?.checkConnections() } }

  private func stop() {
    watch?.cancel()
    server?.close()
    server?.onWorkReady = nil
  }
}

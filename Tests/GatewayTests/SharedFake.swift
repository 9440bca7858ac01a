import Crypto
import Diagnostics
import EventLoop
import HTTP
import Primitives
import TestSupport

@testable import Gateway

/// Files by the first byte of their hashes, so that a test chooses what happens by the path that it asks for.
struct SharedFake: GatewayContent {
  /// A hash that begins with this byte.
  static func hash(_ first: UInt8) -> ContentHash {
    ContentHash(bytes: [first] + [UInt8](repeating: 0, count: 19)) ?? ContentHash.of([])
  }

  static let size: UInt64 = 10_000_000

  static let problems: [(first: UInt8, code: KacheryError.Code, status: Int)] = [
    (0xe0, .notFound, 404), (0xe1, .noChannel, 404), (0xe2, .noMemberOnline, 504), (0xe3, .sourceBusy, 503),
    (0xe4, .hashMismatch, 502), (0xe5, .storageFailed, 500), (0xe6, .unreachable, 504), (0xe7, .internalError, 500),
  ]

  func open(_ key: FileKey, for client: UInt32) async throws(KacheryError) -> any GatewayFile {
    let first = key.hash.bytes[0]
    if let problem = Self.problems.first(where: { $0.first == first }) {
      throw KacheryError(problem.code, "secret-channel /secret/path")
    }
    if first == 0xaa { try await Self.wait() }
    return File(kind: first)
  }

  /// Waits until the gateway gives up.
  private static func wait() async throws(KacheryError) {
    do { try await Task.sleep(for: .seconds(600)) } catch { throw KacheryError(.cancelled, "The reader gave up.") }
  }

  private struct File: GatewayFile {
    let kind: UInt8
    var size: UInt64 { kind == 9 ? 200_000_000 : SharedFake.size }
    func bytes(_ range: ByteRange) throws(KacheryError) -> any GatewayBytes { Bytes(kind: kind, range: range) }
  }

  /// Kind 1 fails at its first block, 2 at a later one, 3 never comes, and 9 is too large for the buffers of a socket.
  private struct Bytes: GatewayBytes {
    let kind: UInt8
    let range: ByteRange
    var count: UInt64 { range.count }

    func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
      if kind == 1 || kind == 2 && offset > 1_000_000 { throw KacheryError(.hashMismatch, "secret-channel") }
      if kind == 3 { try await SharedFake.wait() }
      return [UInt8](repeating: UInt8(ascii: "x"), count: Int(min(count - offset, UInt64(Limits.blockSize))))
    }
  }

  /// Runs clients of a gateway that shares these files, on a thread of their own.
  static func serve<Value: Sendable>(
    patience: GatewayServer.Patience = .init(), connections: Int = GatewayServer.mostConnections,
    to clients: @escaping @Sendable (_ port: UInt16, Metrics) throws -> Value
  ) async throws -> Value {
    let loop = try EventLoop(name: "gateway")
    let metrics = Metrics()
    let server = try await start(loop, metrics, patience, connections)
    let port = await server.port
    let result: Result<Value, any Error>
    do { result = .success(try await onOwnThread { try clients(port, metrics) }) } catch { result = .failure(error) }
    await server.stop()
    await loop.shutdown()
    return try result.get()
  }

  /// Port 0 cannot be written as an endpoint, so free ports are tried.
  private static func start(
    _ loop: EventLoop, _ metrics: Metrics, _ patience: GatewayServer.Patience, _ connections: Int
  ) async throws -> GatewayServer {
    for _ in 0..<50 {
      let endpoint = Endpoint(host: "127.0.0.1", port: UInt16.random(in: 20_000..<32_000))
      guard let endpoint,
        let server = try? GatewayServer(
          loop: loop, content: SharedFake(), at: endpoint, origins: [], metrics: GatewayMetrics(in: metrics),
          patience: patience, connections: connections)
      else { continue }
      try await server.start()
      return server
    }
    throw KacheryError(.alreadyRunning, "There is no free port.")
  }
}

import ContentStore
import Crypto
import EventLoop
import Links
import NodeCore
import Primitives
import TLS
import TestSupport
import Testing
import Wire

@testable import Daemon

/// A peer that asks for more files than anybody may have waiting.
@Suite struct BatchServerTests {
  private actor Asked {
    let loop: EventLoop
    private let dialing: LinkHost
    private let listening: LinkHost
    private let store: ContentStore
    private var links: [Link] = []
    private var turn: UploadGate.Turn?
    private var server: BatchServer?

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(storingIn folder: String) throws {
      loop = try EventLoop(name: "asked")
      dialing = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      listening = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      store = try ContentStore(directory: folder, log: .disabled)
    }

    /// Asks so many times for as many files as a request may name, while nobody is served; gives back after which request
    /// the stream ended, or nil.
    func ask(times: Int) async throws -> Int? {
      let endpoint = try listening.listen(host: "127.0.0.1", port: 0)
      let topic = try #require(Topic(bytes: [UInt8](repeating: 7, count: Topic.byteCount)))
      let hashes = (0..<BatchRequest.maximumFiles).map { ContentHash.of([UInt8(truncatingIfNeeded: $0)]) }
      let request = BatchRequest(topic: topic, hashes: hashes).encoded
      listening.onLink = { self.links.append($0) }
      return await withCheckedContinuation { continuation in
        _ = dialing.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          guard let link = try? result.get() else { return continuation.resume(returning: -1) }
          self.links.append(link)
          continuation.resume(returning: self.ask(request, times: times, over: link))
        }
      }
    }

    private func ask(_ request: [UInt8], times: Int, over link: Link) -> Int? {
      let gate = UploadGate(capacity: 1, limit: RateLimit(nil), loop: loop)
      turn = gate.enter(LinkID(number: 9), for: .of([9]), cost: 1) { _ in }
      let stream = link.openStream()
      let server = BatchServer(
        link: LinkID(number: 1), stream: stream, store: store, loop: loop, metrics: NodeMetrics(), gate: gate
      ) { _ in nil }
      self.server = server
      var hasEnded = false
      server.start(with: []) { hasEnded = true }
      for number in 1...times {
        request.withUnsafeBytes { stream.onData?($0) }
        if hasEnded { return number }
      }
      return nil
    }

    func stop() async {
      dialing.close()
      listening.close()
      await loop.shutdown()
    }
  }

  @Test(.timeLimit(.minutes(1))) func whoAsksForTooManyIsCutOff() async throws {
    let folder = try TemporaryFolder()
    let asked = try Asked(storingIn: folder.path("store"))
    #expect(try await asked.ask(times: 20) == 9)
    await asked.stop()
  }
}

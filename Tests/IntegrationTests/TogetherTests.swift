import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Real daemons that load one file at the same time.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TogetherTests {
  /// How many bytes of files the daemon has given to others.
  private static func sent(_ node: RunningDaemon) throws -> Int64 {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(node.apiPort)/stats?format=json")
    request.headers = [(APIVersion.tokenHeader, node.token)]
    let stats = try JSONParser.parse(try HTTPClient.fetch(request, limit: 1 << 20).body)
    return try #require(stats["stats"]?["kachery_file_bytes_sent_total"]?.integer)
  }

  /// Two load what one slow node has: most chunks leave it once, and the two give each other the rest.
  @Test func whoLoadsTogetherSharesTheSource() async throws {
    try await blocking {
      let folder = try TemporaryFolder()
      let bootstrap = try RunningDaemon(in: folder.path("bootstrap"), ["--isbootstrap", "--port", "0"])
      let options = ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)", "--channel", "lab"]
      let source = try RunningDaemon(in: folder.path("source"), options + ["--limit-up", "60"])
      let loaders = try ["b", "c"].map { try RunningDaemon(in: folder.path($0), options) }
      for node in [source] + loaders { try node.waitForLinks(3) }
      let size = 300_000_000
      let path = folder.path("file")
      try Data(PatternBytes.make(size)).write(to: URL(filePath: path))
      let stored = try source.store(path)
      let key = FileKey(hash: stored.hash, manifest: stored.manifest)
      let outcomes = Outcomes()
      let group = DispatchGroup()
      for loader in loaders.map(Handed.init) {
        group.enter()
        Thread.detachNewThread {
          outcomes.add(Result { try loader.node.load(key) })
          group.leave()
        }
      }
      #expect(group.wait(timeout: .now() + 90) == .success)
      #expect(outcomes.all.count == 2)
      for outcome in outcomes.all {
        #expect(FileManager.default.contentsEqual(atPath: path, andPath: try outcome.get()))
      }
      let fromSource = try Self.sent(source)
      // How much less than twice the file depends on how quickly the two are served beside everything else that runs.
      #expect(fromSource <= 2 * Int64(size) - 40_000_000, "the source gave \(fromSource) bytes")
      for loader in loaders { #expect(try Self.sent(loader) >= 20_000_000) }
    }
  }
}

// Only the thread that it was handed to uses the daemon until that has ended.
private struct Handed: @unchecked Sendable {
  let node: RunningDaemon
}

/// What threads have brought.
private final class Outcomes: @unchecked Sendable {
  // Every use takes the lock.
  private let lock = NSLock()
  private var outcomes: [Result<String, any Error>] = []

  var all: [Result<String, any Error>] { lock.withLock { outcomes } }
  func add(_ outcome: Result<String, any Error>) { lock.withLock { outcomes.append(outcome) } }
}

import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Real daemons that load one file at the same time.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TogetherTests {
  /// Bytes of files that the daemon has sent to other nodes.
  private static func sent(_ node: RunningDaemon) throws -> Int64 {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(node.apiPort)/stats?format=json")
    request.headers = [(APIVersion.tokenHeader, node.token)]
    let stats = try JSONParser.parse(try HTTPClient.fetch(request, limit: 1 << 20).body)
    return try #require(stats["stats"]?["kachery_file_bytes_sent_total"]?.integer)
  }

  /// Two nodes load a file from one slow node: it sends most chunks once, and the two exchange the rest.
  @Test func concurrentLoadsShareTheSource() async throws {
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
      // How far it is below twice the size depends on how quickly the two are served under the machine's load.
      #expect(fromSource <= 2 * Int64(size) - 40_000_000, "the source gave \(fromSource) bytes")
      for loader in loaders { #expect(try Self.sent(loader) >= 20_000_000) }
    }
  }

  /// Two nodes with separate identities, feeds and clients but the same files: the `sha1` of one is a link to the
  /// other's.
  @Test func twoNodesShareTheirFiles() async throws {
    try await blocking {
      let folder = try TemporaryFolder()
      let source = try RunningDaemon(in: folder.path("source"), ["--channel", "lab", "--limit-up", "20"])
      let options = ["--bootstrap", "127.0.0.1:\(source.linkPort)", "--channel", "lab"]
      let first = try RunningDaemon(in: folder.path("first"), options)
      let manager = FileManager.default
      for place in ["first/storage/sha1", "second/storage"] {
        try manager.createDirectory(atPath: folder.path(place), withIntermediateDirectories: true)
      }
      try manager.createSymbolicLink(
        atPath: folder.path("second/storage/sha1"), withDestinationPath: "\(first.storage)/sha1")
      let second = try RunningDaemon(in: folder.path("second"), options)
      #expect(try first.nodeID != second.nodeID)
      for node in [first, second] { try node.waitForLinks(1) }

      // A file stored by one is available to the other, with or without a daemon.
      try Data("what both have".utf8).write(to: URL(filePath: folder.path("small")))
      let uri = "sha1://\(try first.store(folder.path("small")).hash)"
      let offline = ["KACHERY_OFFLINE_STORAGE_DIR": second.storage, "HOME": folder.path, "PATH": "/usr/bin:/bin"]
      for environment in [second.environment, offline] {
        let loaded = try run("kachery-load", [uri], in: folder.path, environment: environment)
        #expect(loaded.output.hasPrefix(first.storage), "\(loaded)")
      }

      // A file that both load concurrently is received once.
      let (size, path) = (50_000_000, folder.path("file"))
      try Data(PatternBytes.make(size)).write(to: URL(filePath: path))
      let stored = try source.store(path)
      let outcomes = Outcomes()
      let group = DispatchGroup()
      for node in [first, second].map(Handed.init) {
        group.enter()
        Thread.detachNewThread {
          outcomes.add(Result { try node.node.load(FileKey(hash: stored.hash, manifest: stored.manifest)) })
          group.leave()
        }
      }
      #expect(group.wait(timeout: .now() + 60) == .success)
      for outcome in outcomes.all { #expect(manager.contentsEqual(atPath: path, andPath: try outcome.get())) }
      #expect(outcomes.all.count == 2)
      #expect(try Self.sent(source) < Int64(size) + 1_000_000)
      for node in [first, second, source] { #expect(node.stop() == 0) }
    }
  }
}

// Only the thread that received it uses the daemon until that thread has ended.
private struct Handed: @unchecked Sendable {
  let node: RunningDaemon
}

/// The results of threads.
private final class Outcomes: @unchecked Sendable {
  // Every access takes the lock.
  private let lock = NSLock()
  private var outcomes: [Result<String, any Error>] = []

  var all: [Result<String, any Error>] { lock.withLock { outcomes } }
  func add(_ outcome: Result<String, any Error>) { lock.withLock { outcomes.append(outcome) } }
}

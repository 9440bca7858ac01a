import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// The reported progress matches the bytes that arrive, for the client and in the counters of both nodes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ProgressTests {
  /// Most bytes that an abandoned stream may have sent without their being written: the largest window, which a busy
  /// machine fills, and the queue to send.
  private static let onTheWay = 17 << 20

  private let folder: TemporaryFolder
  private let size = 65_000_000

  init() throws { folder = try TemporaryFolder() }

  /// Nodes that find each other through the first of them.
  private func nodes(_ options: [String]...) throws -> [RunningDaemon] {
    let channel = ["--channel", "progress-3c5", "--nomulticast"]
    let first = try RunningDaemon(in: folder.path("node 0"), ["--isbootstrap", "--port", "0"] + channel + options[0])
    let others = try options.dropFirst().enumerated().map { index, more in
      try RunningDaemon(
        in: folder.path("node \(index + 1)"), ["--bootstrap", "127.0.0.1:\(first.linkPort)"] + channel + more)
    }
    for node in others { try node.waitForLinks(options.count - 1) }
    return [first] + others
  }

  private func store(on nodes: [RunningDaemon]) throws -> FileKey {
    let path = folder.path("source")
    try Data(PatternBytes.make(size, seed: 5)).write(to: URL(filePath: path))
    let stored = try nodes.map { try $0.store(path) }
    return FileKey(hash: stored[0].hash, manifest: stored[0].manifest)
  }

  private func sent(_ node: RunningDaemon) throws -> Int { try node.counter("kachery_file_bytes_sent_total") }

  private func received(_ node: RunningDaemon) throws -> Int {
    try node.counter("kachery_file_bytes_received_total")
  }

  /// Starts a load and hangs up at the first progress beyond `limit`, like a client that disconnects.
  private func loadAndHangUp(_ node: RunningDaemon, _ key: FileKey, beyond limit: UInt64) throws {
    var decoder = MessageStreamDecoder()
    #expect(throws: KacheryError.self) {
      try HTTPClient.stream(node.request("/loadFile", LoadRequest(key: key).json)) { _, bytes in
        for message in (try? decoder.receive(bytes)) ?? [] {
          if case .progress(let loaded, _, _)? = try? LoadEvent(json: message), loaded > limit { return false }
        }
        return true
      }
    }
  }

  /// Waits until the node has sent nothing for a second; returns the total sent.
  private func waitUntilQuiet(_ node: RunningDaemon) throws -> Int {
    var last = try sent(node)
    for _ in 0..<60 {
      usleep(1_000_000)
      let now = try sent(node)
      if now == last { return now }
      last = now
    }
    throw KacheryError(.timedOut, "The source keeps sending.")
  }

  @Test func everyByteArrivesOnce() async throws {
    try await blocking {
      let nodes = try nodes([], [])
      let key = try store(on: [nodes[0]])
      var seen: [UInt64] = []
      _ = try nodes[1].load(key) { seen.append($0) }
      #expect(seen.last == UInt64(size) && seen == seen.sorted())
      for moved in [try received(nodes[1]), try sent(nodes[0])] {
        #expect(abs(moved - size) < size / 100, "\(moved) of \(size) bytes")
      }
    }
  }

  @Test func manySmallFilesAreCountedByTheirBytes() async throws {
    try await blocking {
      let nodes = try nodes([], [])
      let uris = try (0..<200).map { index in
        let path = folder.path("small \(index)")
        try Data("file \(index)".utf8).write(to: URL(filePath: path))
        return "sha1://\(try nodes[0].store(path).hash)"
      }
      let bytes = (0..<200).reduce(0) { $0 + "file \($1)".utf8.count }
      let loaded = try run("kachery", ["load"] + uris, in: folder.path, environment: nodes[1].environment)
      #expect(loaded.code == 0, "\(loaded)")
      #expect(try received(nodes[1]) == bytes)
      #expect(try sent(nodes[0]) == bytes)
    }
  }

  /// The download stops when its last client hangs up; verified bytes count from the start of the next load.
  @Test func hangingUpStopsTheSource() async throws {
    try await blocking {
      let nodes = try nodes(["--limit-up", "15"], [])
      let key = try store(on: [nodes[0]])
      try nodes[1].loadTwice(
        { try loadAndHangUp($0, key, beyond: 1_000_000) }, { try loadAndHangUp($0, key, beyond: 24_000_000) })
      let first = try waitUntilQuiet(nodes[0])
      let before = try received(nodes[1])
      #expect(before > 23_000_000, "the first to hang up ended it for both")
      #expect(first < size - 10_000_000, "the source kept sending")
      #expect(first - before < size / 100 + Self.onTheWay)
      var seen: [UInt64] = []
      _ = try nodes[1].load(key) { seen.append($0) }
      let kept = Int(seen.first ?? 0)
      #expect(kept >= 20_000_000 && seen == seen.sorted())
      let again = try received(nodes[1]) - before
      #expect(abs(again - (size - kept)) < size / 100 + 1_000_000, "\(again) bytes for \(size - kept)")
    }
  }

  /// One of two sources is slow and the other has a damaged copy: useless bytes are counted as received, but not shown
  /// as loaded.
  @Test func whatIsDroppedIsNotShown() async throws {
    try await blocking {
      let nodes = try nodes(["--limit-up", "8"], [], [])
      let key = try store(on: [nodes[0], nodes[1]])
      let copy = "\(nodes[1].storage)/sha1/" + ContentStorePath.relative(key.hash)
      #expect(chmod(copy, 0o644) == 0)
      let handle = try FileHandle(forUpdating: URL(filePath: copy))
      try handle.seek(toOffset: 45_000_000)
      try handle.write(contentsOf: Data([0xff, 0x00, 0xff]))
      try handle.close()
      var seen: [UInt64] = []
      _ = try nodes[2].load(key) { seen.append($0) }
      #expect(seen.last == UInt64(size) && seen.allSatisfy { $0 <= UInt64(size) })
      let moved = try received(nodes[2])
      let given = try sent(nodes[0]) + sent(nodes[1])
      #expect(moved >= size && moved <= size * 2)
      #expect(given >= moved && given - moved < size / 100 + 3 * Self.onTheWay, "\(given) sent, \(moved) received")
    }
  }
}

extension RunningDaemon {
  /// One of the daemon's counters.
  func counter(_ name: String) throws -> Int {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(apiPort)/stats?format=json")
    request.headers = [(APIVersion.tokenHeader, token)]
    let stats = try JSONParser.parse(try HTTPClient.fetch(request, limit: 1 << 20).body)
    return Int(try #require(stats["stats"]?[ByteString(name)]?.integer))
  }

  /// Two clients at the same time.
  fileprivate func loadTwice(
    _ one: @escaping (RunningDaemon) throws -> Void, _ other: @escaping (RunningDaemon) throws -> Void
  ) throws {
    let first = Client(daemon: self, work: one)
    let ended = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      do { try first.work(first.daemon) } catch { Issue.record("the first client: \(error)") }
      ended.signal()
    }
    try other(self)
    ended.wait()
  }
}

// The clients use only state that does not change after the start.
private struct Client: @unchecked Sendable {
  let daemon: RunningDaemon
  let work: (RunningDaemon) throws -> Void
}

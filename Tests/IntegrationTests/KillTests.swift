import APIModel
import Crypto
import Foundation
import Primitives
import TestSupport
import Testing

/// `kill -9` at a random moment, fifty times: what a daemon reported as stored stays stored, and nothing wrong appears.
@Suite(.serialized, .timeLimit(.minutes(5))) struct KillTests {
  private static let rounds = 50

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs `body` with a seed, which a failure names; the variable KACHERY_SEED repeats a run.
  private func withSeed(_ body: @escaping @Sendable (UInt64) throws -> Void) async throws {
    let chosen = ProcessInfo.processInfo.environment["KACHERY_SEED"].flatMap { UInt64($0) }
    let seed = chosen ?? UInt64(Date().timeIntervalSince1970)
    print("KillTests: KACHERY_SEED=\(seed)")
    do {
      try await onOwnThread { try body(seed) }
    } catch {
      Issue.record("seed \(seed): \(error)")
    }
  }

  /// Kills the daemon after some time; only the system knows.
  private func killSoon(_ daemon: RunningDaemon, after microseconds: UInt64) {
    let process = daemon.processIdentifier
    Thread.detachNewThread {
      usleep(UInt32(microseconds))
      _ = kill(process, SIGKILL)
    }
  }

  /// A running daemon refuses nothing here.
  private func expectDeath(_ error: any Error) {
    let message = (error as? KacheryError)?.message ?? "\(error)"
    #expect(message.contains("cannot be reached"), "\(message)")
    // The system takes a moment to report the end of the process.
    usleep(1_000)
  }

  private func expectSound(_ daemon: RunningDaemon, _ expected: Set<ContentHash>, _ place: Comment) throws {
    let temporary = "\(daemon.storage)/kachery-node/temporary"
    #expect((try? FileManager.default.contentsOfDirectory(atPath: temporary)) ?? [] == [], place)
    for hash in expected { #expect(try daemon.has(hash), "\(place), \(hash)") }
  }

  private func expectEverythingIntact(_ daemon: RunningDaemon, _ place: Comment) throws {
    let result = try run("kachery", ["verify"], in: folder.path, environment: daemon.environment)
    #expect(result.code == 0 && result.output.hasSuffix(": none damaged.\n"), "\(place), \(result)")
    #expect(!result.output.contains("link broken") && !result.output.contains("foreign"), "\(place), \(result)")
  }

  @Test func aStoringDaemonLosesNothing() async throws { try await withSeed(killWhileStoring) }

  private func killWhileStoring(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    var expected: Set<ContentHash> = []
    for round in 1...Self.rounds {
      // Counted in operations, not in time: a slow machine must not kill daemons before they have done anything.
      let last = Int(2 + random.next() % 6)
      var number = 0
      while daemon.isRunning {
        number += 1
        if number == last { killSoon(daemon, after: random.next() % 30_000) }
        do { try deed("\(round)-\(number)", daemon, &expected, &random) } catch { expectDeath(error) }
      }
      daemon.kill()
      try daemon.start()
      try expectSound(daemon, expected, "seed \(seed), round \(round)")
    }
    #expect(expected.count > Self.rounds, "seed \(seed)")
    try expectEverythingIntact(daemon, "seed \(seed)")
    #expect(daemon.stop() == 0, "seed \(seed)")
  }

  /// Stores, links or removes a file; acknowledged results are expected from then on.
  private func deed(
    _ name: String, _ daemon: RunningDaemon, _ expected: inout Set<ContentHash>, _ random: inout SeededRandom
  ) throws {
    let kind = random.next() % 10
    if kind == 0, let hash = expected.first {
      // Without an answer it may have happened or not.
      expected.remove(hash)
      _ = try daemon.post("/v1/store/remove", ["sha1s": [.string(hash.hex)]])
      return
    }
    let size = kind < 7 ? 10_000 : kind < 9 ? 1_000_000 : 21_000_000
    let content = Array(name.utf8) + PatternBytes.make(size)
    let path = folder.path(name)
    try Data(content).write(to: URL(filePath: path))
    let isLink = random.next() % 4 == 0
    let reply = isLink ? try daemon.link(path) : try daemon.store(path)
    if !isLink { try FileManager.default.removeItem(atPath: path) }
    #expect(reply.hash == ContentHash.of(content))
    expected.insert(reply.hash)
  }

  @Test func aLoadingDaemonLosesNothing() async throws { try await withSeed(killWhileLoading) }

  private func killWhileLoading(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let source = try RunningDaemon(in: folder.path("source"), ["--isbootstrap", "--channel", "lab", "--port", "0"])
    let options = ["--bootstrap", "127.0.0.1:\(source.linkPort)", "--channel", "lab"]
    let daemon = try RunningDaemon(in: folder.path("node"), options)
    var keys = try [70_000_000, 5_000, 30_000_000, 1_000_000, 45_000_000].map { size in
      let path = folder.path("file")
      try Data(PatternBytes.make(size)).write(to: URL(filePath: path))
      let stored = try source.store(path)
      return FileKey(hash: stored.hash, manifest: stored.manifest)
    }
    var loaded: Set<ContentHash> = []
    for round in 1...Self.rounds {
      killSoon(daemon, after: 1_000 + random.next() % 400_000)
      // Until it is dead, so that its process ID cannot belong to another process when the time has come.
      while daemon.isRunning {
        guard let key = keys.last else {
          usleep(1_000)
          continue
        }
        do {
          _ = try daemon.load(key)
          loaded.insert(key.hash)
          keys.removeLast()
        } catch { expectDeath(error) }
      }
      daemon.kill()
      try daemon.start()
      try expectSound(daemon, loaded, "seed \(seed), round \(round)")
      // All files were loaded: load the largest once more.
      if keys.isEmpty, let hash = loaded.first {
        loaded.remove(hash)
        _ = try daemon.post("/v1/store/remove", ["sha1s": [.string(hash.hex)]])
        keys = [FileKey(hash: hash)]
      }
    }
    for key in keys { _ = try daemon.load(key) }
    try expectEverythingIntact(daemon, "seed \(seed)")
  }
}

extension RunningDaemon {
  fileprivate func link(_ path: String) throws -> StoreReply {
    var status = stat()
    #expect(lstat(path, &status) == 0)
    let modified = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
    let body: JSONValue = [
      "localFilePath": .string(path), "size": .integer(Int64(status.st_size)), "mtime": .double(modified),
    ]
    return try StoreReply(json: try post("/linkFile", body))
  }

  /// Whether the file or a link to it exists at the path of the storage format.
  fileprivate func has(_ hash: ContentHash) throws -> Bool {
    let path = "\(storage)/sha1/\(ContentStorePath.relative(hash))"
    return [path, path + ".link"].contains { FileManager.default.fileExists(atPath: $0) }
  }
}

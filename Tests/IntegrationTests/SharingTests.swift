import Crypto
import Dispatch
import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

/// Several processes on one storage directory at the same time, one of them a daemon.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SharingTests {
  private static let workers = 6
  private static let rounds = 8

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func manyProcessesMayUseOneDirectory() async throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let offline = [
      "HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": daemon.storage, "PATH": "/usr/bin:/bin",
    ]
    let online = daemon.environment
    let path = folder.path
    let complaints = await withCheckedContinuation { continuation in
      // Not on the few threads that other tests' tasks need.
      Thread.detachNewThread { continuation.resume(returning: Self.workTogether(in: path, online, offline)) }
    }
    #expect(complaints == [])
    let check = try run("kachery", ["verify"], in: folder.path, environment: offline)
    // One file per worker and round, plus one per round that all workers stored.
    #expect(check.output.hasPrefix("Checked \(Self.workers * Self.rounds + Self.rounds) files, "), "\(check)")
    #expect(check.output.hasSuffix(": none damaged.\n"))
    let unfinished = try FileManager.default.contentsOfDirectory(atPath: "\(daemon.storage)/kachery-node/temporary")
    #expect(unfinished == [])
    #expect(daemon.stop() == 0)
  }

  /// Returns the complaints.
  private static func workTogether(in folder: String, _ online: [String: String], _ offline: [String: String])
    -> [String]
  {
    let complaints = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      do {
        // Half of them use the daemon, half the directory itself.
        let environment = worker % 2 == 0 ? online : offline
        try work(worker, in: "\(folder)/worker \(worker)", environment: environment)
      } catch { complaints.withLock { $0.append("\(worker): \(error)") } }
    }
    return complaints.withLock { $0 }
  }

  private static func work(_ worker: Int, in folder: String, environment: [String: String]) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    func call(_ arguments: String...) throws -> String {
      let result = try run("kachery", arguments, in: folder, environment: environment)
      guard result.code == 0 else { throw KacheryError(.internalError, "kachery \(arguments): \(result)") }
      return result.output.trimmingCharacters(in: .newlines)
    }
    for round in 0..<rounds {
      for name in ["own \(worker) \(round)", "shared \(round)", "passing \(worker) \(round)"] {
        try Data(Array(name.utf8) + PatternBytes.make(300_000)).write(to: URL(filePath: "\(folder)/\(name)"))
      }
      _ = try call("store", "own \(worker) \(round)", "shared \(round)")
      let passing = try call("store", "passing \(worker) \(round)")
      _ = try call("rm", passing)
      // The daemon runs one check at a time; without it any number can run.
      if worker == 1 { _ = try call("verify") }
      if worker == 2 { _ = try call("gc", "--trash") }
      if worker == 3 { _ = try call("du") }
      if worker == 4 { _ = try call("ls") }
    }
  }
}

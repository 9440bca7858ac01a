import Crypto
import Dispatch
import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

/// Several processes on one storage directory, none of them a daemon, each performing random operations.
///
/// KACHERY_SHARED_DIRECTORIES may list paths where the same network folder is mounted, separated by colons; the
/// directory is then created there.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ProcessSharingTests {
  private static let workers = 5
  private static let steps = 12

  private let folder: TemporaryFolder
  /// The storage directory under each of its paths.
  private let directories: [String]

  init() throws {
    folder = try TemporaryFolder()
    let mounts = ProcessInfo.processInfo.environment["KACHERY_SHARED_DIRECTORIES"]
    directories = (mounts ?? folder.path).split(separator: ":").map { "\($0)/storage-\(getpid())" }
    for path in directories { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  }

  /// The contents that workers store, remove and look for.
  private static let contents: [String] = [10, 3_000, 50_000, 250_000].enumerated().map { index, count in
    String(repeating: "line \(index) ", count: count / 7)
  }

  private func environment(_ number: Int) -> [String: String] {
    [
      "HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": directories[number % directories.count],
      "PATH": "/usr/bin:/bin",
    ]
  }

  /// Runs the workers concurrently; returns their complaints.
  private func together(_ count: Int, _ work: @escaping @Sendable (Int) throws -> Void) async throws -> [String] {
    let complaints = Mutex<[String]>([])
    try await blocking {
      DispatchQueue.concurrentPerform(iterations: count) { number in
        do { try work(number) } catch { complaints.withLock { $0.append("worker \(number): \(error)") } }
      }
    }
    return complaints.withLock { $0 }
  }

  @Test(arguments: UInt64(0)..<2)
  func filesStayWholeWhateverTheProcessesDo(seed: UInt64) async throws {
    let complaints = try await together(Self.workers) { [folder] number in
      var random = SeededRandom(seed: seed &* 100 &+ UInt64(number))
      let home = folder.path("worker \(number)")
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      for _ in 0..<Self.steps { try step(&random, in: home, environment(number)) }
    }
    #expect(complaints == [], "seed \(seed)")
    let check = try run("kachery", ["verify"], in: folder.path, environment: environment(0))
    #expect(check.code == 0 && check.output.hasSuffix(": none damaged.\n"), "seed \(seed): \(check)")
    let unfinished = try FileManager.default.contentsOfDirectory(atPath: "\(directories[0])/kachery-node/temporary")
    #expect(unfinished == [], "seed \(seed)")
  }

  private func step(_ random: inout SeededRandom, in home: String, _ environment: [String: String]) throws {
    let content = Self.contents[random.number(0...Self.contents.count - 1)]
    let uri = "sha1://\(ContentHash.of(Array(content.utf8)))"
    func call(_ arguments: [String], failing expected: String? = nil) throws -> String? {
      let result = try run("kachery", arguments, in: home, environment: environment)
      if result.code == 0 { return result.output }
      guard let expected, result.errors.contains(expected) else { throw Complaint("kachery \(arguments): \(result)") }
      return nil
    }
    switch random.number(0...8) {
    case 0, 1, 2:
      try Data(content.utf8).write(to: URL(filePath: "\(home)/file"))
      guard try call(["store", "file"])?.hasPrefix(uri) == true else { throw Complaint("another URI than \(uri)") }
    case 3, 4:
      if let read = try call(["cat", uri], failing: "not"), read != content {
        throw Complaint("other bytes of \(uri)")
      }
    case 5: _ = try call(["rm", uri], failing: "nothing to remove")
    case 6: _ = try call(["verify"])
    case 7: _ = try call(["gc", "--trash"])
    default: _ = try call(["ls"])
    }
  }

  /// The first check to find it sets it aside; none affects a whole copy that is stored meanwhile.
  @Test func manyChecksOfOneDamagedFileSetItAsideOnce() async throws {
    let text = "what is to be damaged"
    let path = folder.path("file")
    try Data(text.utf8).write(to: URL(filePath: path))
    let stored = try run("kachery", ["store", path], in: folder.path, environment: environment(0))
    #expect(stored.code == 0)
    let hash = ContentHash.of(Array(text.utf8))
    let place = "\(directories[0])/sha1/" + ContentStorePath.relative(hash)
    #expect(chmod(place, 0o644) == 0)
    try Data("what has been damaged".utf8).write(to: URL(filePath: place))
    let complaints = try await together(Self.workers) { [folder] number in
      let home = folder.path("worker \(number)")
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      let arguments = number == 0 ? ["store", path] : ["verify"]
      _ = try run("kachery", arguments, in: home, environment: environment(number))
    }
    #expect(complaints == [])
    let again = try run("kachery", ["store", path], in: folder.path, environment: environment(0))
    #expect(again.code == 0, "\(again)")
    // Another mount of a network folder may see it only after a while.
    let read = try run("kachery", ["cat", "sha1://\(hash)"], in: folder.path, environment: environment(0))
    #expect(read.output == text, "\(read)")
    // The whole copy replaces the damaged one if no check has found it before.
    let aside = (try? FileManager.default.contentsOfDirectory(atPath: "\(directories[0])/kachery-node/damaged")) ?? []
    #expect(aside == [hash.hex] || aside == [])
  }
}

/// A violation of the expected behavior.
private struct Complaint: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

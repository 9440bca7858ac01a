import Crypto
import Foundation
import Primitives
import TestSupport
import Testing

/// `--if-elsewhere`: a file goes only if another member proves to hold it.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ReleaseTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private struct Lab {
    let one: RunningDaemon
    let two: RunningDaemon

    init(in folder: TemporaryFolder) throws {
      one = try RunningDaemon(in: folder.path("one"), ["--isbootstrap", "--port", "0", "--channel", "room"])
      two = try RunningDaemon(
        in: folder.path("two"), ["--bootstrap", "127.0.0.1:\(one.linkPort)", "--channel", "room"])
      try two.waitForLinks(1)
      try one.waitForLinks(1)
    }
  }

  private func isHere(_ hash: String, _ daemon: RunningDaemon) -> Bool {
    FileManager.default.fileExists(atPath: path(hash, in: daemon.storage))
  }

  private func path(_ hash: String, in storage: String) -> String {
    "\(storage)/sha1/\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash.dropFirst(4).prefix(2))/\(hash)"
  }

  private func rm(
    _ hashes: [String], _ daemon: RunningDaemon, _ more: [String] = ["--count-this-machine"], code: Int32 = 0
  ) throws -> (output: String, errors: String) {
    try folder.call("kachery", ["rm", "--if-elsewhere"] + more + hashes, in: daemon.environment, code: code)
  }

  @Test func aFileGoesIfAnotherMemberProvesToHoldIt() async throws {
    try await blocking {
      let lab = try Lab(in: folder)
      let sizes = [0, 5, 3_000_000, 21_000_000]
      var hashes: [String] = []
      for size in sizes {
        let path = try folder.file("file \(size)", bytes: size)
        hashes.append(try lab.one.store(path).hash.hex)
        _ = try lab.two.store(path)
      }
      let alone = try lab.one.store(try folder.file("alone", bytes: 700)).hash.hex
      // Nodes on this machine do not count unless the user says so.
      let near = try rm([hashes[1]], lab.one, [], code: 1)
      #expect(near.errors.contains("it is on this machine"))
      let preview = try rm(hashes, lab.one, ["--count-this-machine", "--dry-run"])
      #expect(preview.errors.contains("Would move 4 files (24.0 MB) to the trash."))
      #expect((hashes + [alone]).allSatisfy { isHere($0, lab.one) })

      let result = try rm(hashes + [alone], lab.one, code: 1)
      #expect(result.output.split(separator: "\n").count == 4 && result.output.contains("held by test ("))
      #expect(result.errors.contains("\(alone) stays: no other member that is linked says that it has it."))
      #expect(result.errors.contains("Moved 4 files (24.0 MB) to the trash; 1 file stays."))
      #expect(!hashes.contains { isHere($0, lab.one) } && isHere(alone, lab.one))
      // Now it is the last copy.
      _ = try rm(hashes, lab.two, code: 1)
      #expect(hashes.allSatisfy { isHere($0, lab.two) })
      // Only bytes prove something: the file of 21 MB was not transferred as a whole.
      #expect(try lab.one.counter("kachery_file_bytes_received_total") < 12_000_000)
    }
  }

  /// A copy that was altered or cut after storing is no proof: its node notices and no longer says that it has the file, or
  /// its bytes differ.
  @Test func aMemberThatClaimsMoreThanItHasIsNoProof() async throws {
    try await blocking {
      let lab = try Lab(in: folder)
      let file = try folder.file("file", bytes: 12_000_000)
      let hash = try lab.one.store(file).hash.hex
      _ = try lab.two.store(file)
      let copy = path(hash, in: lab.two.storage)
      var status = stat()
      #expect(stat(copy, &status) == 0)
      #expect(chmod(copy, 0o644) == 0)
      // One per cent of it, at a place that no request asks for in particular.
      let handle = try FileHandle(forUpdating: URL(filePath: copy))
      try handle.seek(toOffset: 7_111_111)
      try handle.write(contentsOf: Data(repeating: 0xee, count: 120_000))
      try handle.close()
      let altered = try rm([hash], lab.one, code: 1)
      #expect(altered.errors.contains("\(hash) stays: no other member "), "\(altered)")
      #expect(isHere(hash, lab.one))

      let short = try folder.file("short", bytes: 2_500_000)
      let cut = try lab.one.store(short).hash.hex
      _ = try lab.two.store(short)
      let shortCopy = path(cut, in: lab.two.storage)
      #expect(chmod(shortCopy, 0o644) == 0 && truncate(shortCopy, 2_499_999) == 0)
      _ = try rm([cut], lab.one, code: 1)
      #expect(isHere(cut, lab.one))
    }
  }

  /// Two nodes that remove the same file at the same time must not be each other's proof.
  @Test func theLastCopyStaysWhenBothRemove() async throws {
    try await blocking {
      let lab = try Lab(in: folder)
      var hashes: [String] = []
      for number in 0..<12 {
        let path = try folder.file("file \(number)", bytes: 100_000 + number)
        hashes.append(try lab.one.store(path).hash.hex)
        _ = try lab.two.store(path)
      }
      let ended = DispatchSemaphore(value: 0)
      let (names, environment) = (hashes, lab.two.environment)
      let directory = folder.path
      Thread.detachNewThread {
        _ = try? run(
          "kachery", ["rm", "--if-elsewhere", "--count-this-machine"] + names, in: directory, environment: environment)
        ended.signal()
      }
      _ = try run(
        "kachery", ["rm", "--if-elsewhere", "--count-this-machine"] + hashes, in: folder.path,
        environment: lab.one.environment)
      ended.wait()
      for hash in hashes { #expect(isHere(hash, lab.one) || isHere(hash, lab.two), "\(hash)") }
    }
  }

  /// Two nodes whose files are the same ones.
  @Test func aNodeWithTheSameDirectoryIsNoProof() async throws {
    try await blocking {
      let first = try RunningDaemon(in: folder.path("one"), ["--isbootstrap", "--port", "0", "--channel", "room"])
      let hash = try first.store(try folder.file("file", bytes: 1_000)).hash.hex
      try FileManager.default.createDirectory(atPath: folder.path("two/storage"), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: folder.path("two/storage/sha1"), withDestinationPath: "\(first.storage)/sha1")
      let second = try RunningDaemon(
        in: folder.path("two"), ["--bootstrap", "127.0.0.1:\(first.linkPort)", "--channel", "room"])
      try first.waitForLinks(1)
      for daemon in [first, second] {
        #expect(try rm([hash], daemon, code: 1).errors.contains("it uses the same storage directory"))
      }
      #expect(isHere(hash, first))
    }
  }

  /// The daemon keeps to a new limit by itself within a minute; before that, the command does, with proofs.
  @Test func theLimitIsKeptWithProofsOnly() async throws {
    try await blocking {
      let storage = folder.path("one/storage")
      let offline = ["HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": storage, "PATH": "/usr/bin:/bin"]
      var hashes: [String] = []
      for number in 0..<4 {
        let file = try folder.file("file \(number)", bytes: 1_000_000 + number)
        let uri = try folder.call("kachery", ["store", file], in: offline).output
        hashes.append(String(uri.dropFirst("sha1://".count).prefix(40)))
        // The first one, which nobody else has, is the least recently used.
        var times = [timespec](repeating: timespec(tv_sec: 1_000_000 + 100_000 * number, tv_nsec: 0), count: 2)
        #expect(utimensat(AT_FDCWD, path(hashes[number], in: storage), &times, 0) == 0)
      }
      try folder.call("kachery", ["gc", "--if-elsewhere"], in: offline, code: 4)
      try folder.call("kachery", ["gc", "--if-elsewhere", "--trash"], in: offline, code: 2)
      let lab = try Lab(in: folder)
      for number in 1..<4 { _ = try lab.two.store(folder.path("file \(number)")) }
      let limit = "maxCacheSizeGiB: \(2_500_000.0 / 1_073_741_824)\n"
      try Data(limit.utf8).write(to: URL(filePath: "\(storage)/kachery.yaml"))
      let result = try folder.call(
        "kachery", ["gc", "--if-elsewhere", "--count-this-machine"], in: lab.one.environment, code: 1)
      #expect(result.errors.contains("Moved 2 files (2.0 MB) to the trash; 1 file stays."), "\(result)")
      #expect(hashes.map { isHere($0, lab.one) } == [true, false, false, true])
    }
  }
}

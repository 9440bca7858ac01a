import APIModel
import Files
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// The file in which the log continues after the terminal was closed, and the reason of a failed start.
@Suite struct LogFileTests {
  private func text(_ path: String) throws -> String {
    String(decoding: try FileSystem.read(path, limit: 8 << 20), as: UTF8.self)
  }

  @Test func linesAreAppendedAfterAHeading() throws {
    let folder = try TemporaryFolder()
    try FileSystem.createFolder(folder.path("kachery-node"), permissions: 0o755)
    var log = LogFile(in: folder.path)
    log.append("one\n", heading: "closed\n")
    log.append("two\n", heading: "closed\n")
    #expect(try text(log.path) == "closed\none\ntwo\n")
    #expect(try FileSystem.status(log.path).permissions & 0o777 == 0o600)
    // The next run begins its own.
    LogFile(in: folder.path).setAside()
    #expect(!FileSystem.exists(log.path))
    #expect(try text("\(log.path).old").hasSuffix("two\n"))
  }

  @Test func aLargeLogIsPutAside() throws {
    let folder = try TemporaryFolder()
    try FileSystem.createFolder(folder.path("kachery-node"), permissions: 0o755)
    var log = LogFile(in: folder.path)
    let line = String(repeating: "x", count: 1 << 20) + "\n"
    for _ in 0..<7 { log.append(line, heading: "") }
    #expect(try FileSystem.status(log.path).size == 3 * UInt64(line.utf8.count))
    #expect(try FileSystem.status("\(log.path).old").size == 4 * UInt64(line.utf8.count))
  }

  @Test func aBrokenLogStopsNothing() {
    var log = LogFile(in: "/nowhere")
    log.append("one\n", heading: "")
  }

  @Test func theReasonOfAFailedStartIsKeptUntilOneSucceeds() throws {
    let folder = try TemporaryFolder()
    let path = folder.path(APIVersion.failedStartName)
    FailedStart.note(KacheryError(.badKey, "The key is bad."), in: folder.path)
    #expect(!FileSystem.exists(path), "there is no storage directory yet")
    try FileSystem.createFolder(folder.path("kachery-node"), permissions: 0o755)
    FailedStart.note(KacheryError(.badKey, "The key is bad."), in: folder.path)
    #expect(try text(path) == "The key is bad.")
    FailedStart.forget(in: folder.path)
    #expect(!FileSystem.exists(path))
    // A start that meets a running daemon did not fail for those who look for one.
    let lock = folder.path(APIVersion.lockName)
    let other = try File(lock, .create(permissions: 0o600))
    #expect(try other.tryLock())
    try other.write(at: 0, Array("1\n".utf8))
    FailedStart.note(KacheryError(.alreadyRunning, "In use."), in: folder.path)
    #expect(!FileSystem.exists(path))
    other.close()
  }
}

import Glibc
import Primitives
import TestSupport
import Testing

@testable import Files

@Suite struct LockTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func theSecondHolderLearnsTheFirst() throws {
    let first = try LockFile(folder.path("lock"), protecting: "The storage directory \(folder.path)")
    let error = #expect(throws: KacheryError.self) {
      _ = try LockFile(folder.path("lock"), protecting: "The storage directory \(folder.path)")
    }
    #expect(error?.code == .alreadyRunning)
    #expect(error?.message == "The storage directory \(folder.path) is in use by this process; stop that one first.")
    #expect(try FileSystem.read(folder.path("lock"), limit: 99) == Array("\(FileSystem.processID)\n".utf8))
    first.release()
    first.release()
    _ = try LockFile(folder.path("lock"), protecting: "It")
  }

  @Test func namesAnotherProcess() throws {
    let first = try File(folder.path("lock"), .create(permissions: 0o644))
    #expect(try first.tryLock())
    for (content, name) in [("1\n", "process 1"), ("", "another process"), ("nonsense", "another process")] {
      try first.truncate(to: 0)
      try first.write(at: 0, Array(content.utf8))
      let error = #expect(throws: KacheryError.self) { _ = try LockFile(folder.path("lock"), protecting: "It") }
      #expect(error?.message == "It is in use by \(name); stop that one first.")
    }
  }

  @Test func aLockEndsWithItsFile() throws {
    let first = try File(folder.path("a"), .create(permissions: 0o644))
    let second = try File(folder.path("a"), .create(permissions: 0o644))
    #expect(try first.tryLock())
    #expect(try first.tryLock())
    #expect(try !second.tryLock())
    first.close()
    #expect(try second.tryLock())
  }

  /// As while a child process has a copy of each descriptor and has not started its program yet.
  @Test func aLockEndsWithItsFileDespiteACopyOfTheDescriptor() throws {
    let first = try File(folder.path("a"), .create(permissions: 0o644))
    #expect(try first.tryLock())
    let copy = try first.call("copy") { dup($0) }
    defer { close(copy) }
    first.close()
    #expect(try File(folder.path("a"), .update).tryLock())
  }

  @Test func noticesRemovalAndReplacement() throws {
    let file = try File(folder.path("a"), .create(permissions: 0o644))
    #expect(try file.isStillAtItsPath())
    try FileSystem.rename(folder.path("a"), to: folder.path("b"))
    #expect(try !file.isStillAtItsPath())
    try folder.write("a", "other")
    #expect(try !file.isStillAtItsPath())
  }
}

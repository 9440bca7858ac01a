import Files
import Glibc
import Primitives
import TestSupport
import Testing

@Suite struct FileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func readsBackWhatWasWrittenAtAnyPlace() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    try file.write(at: 5, [1, 2, 3])
    try file.write(at: 0, [9])
    #expect(try file.bytes(at: 0, count: 100) == [9, 0, 0, 0, 0, 1, 2, 3])
    #expect(try file.bytes(at: 6, count: 2) == [2, 3])
    #expect(try file.bytes(at: 8, count: 2) == [])
    #expect(try file.bytes(at: 1_000, count: 2) == [])
  }

  /// All requested bytes or none: the end of a file, and file systems that cannot tell, are left to other methods.
  @Test func readsWhatMemoryHolds() throws {
    let folder = try TemporaryFolder.onDisk()
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    try file.write(at: 0, [1, 2, 3, 4, 5])
    var buffer = [UInt8](repeating: 0, count: 3)
    func isRead(_ file: File, at offset: UInt64) -> Bool {
      buffer.withUnsafeMutableBytes { file.readCached(at: offset, into: $0) }
    }
    #expect(isRead(file, at: 1))
    #expect(buffer == [2, 3, 4])
    #expect(!isRead(file, at: 3))
    #expect(!isRead(file, at: 1_000))
    #expect(!isRead(file, at: .max))
    #expect(!isRead(try File("/proc/self/status", .read), at: 0))
    file.close()
    #expect(!isRead(file, at: 1))
  }

  @Test func aFileWithoutANameGetsOneOrLeavesNothing() throws {
    let file = try File(folder.path, .createUnnamed(permissions: 0o600))
    try file.write(at: 0, [1, 2, 3])
    #expect(try FileSystem.names(in: folder.path) == [])
    let place = try File(folder.path, .folder)
    try file.link(to: "a", in: place)
    let taken = #expect(throws: KacheryError.self) { try file.link(to: "a", in: place) }
    #expect(taken?.systemNumber == EEXIST)
    file.close()
    try File(folder.path, .createUnnamed(permissions: 0o600)).close()
    #expect(try FileSystem.names(in: folder.path) == ["a"])
    #expect(try FileSystem.read(folder.path("a"), limit: 10) == [1, 2, 3])
  }

  @Test func refusesPlacesBeyondAnyFile() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    #expect(throws: KacheryError.self) { try file.write(at: .max, [1]) }
    #expect(throws: KacheryError.self) { _ = try file.bytes(at: UInt64(Int64.max) + 1, count: 1) }
    #expect(throws: KacheryError.self) { try file.truncate(to: .max) }
  }

  @Test func namesTheMissingFile() throws {
    let path = folder.path("absent")
    let error = #expect(throws: KacheryError.self) { _ = try File(path, .read) }
    #expect(error?.code == .notFound)
    #expect(error?.message.contains(path) == true)
    #expect(error?.systemNumber == 2)
  }

  @Test func refusesPathsThatCWouldReadDifferently() throws {
    for path in ["", "a\0b"] {
      let error = #expect(throws: KacheryError.self) { _ = try File(path, .read) }
      #expect(error?.code == .badRequest)
    }
  }

  @Test func createNewRefusesAnExistingFileAndCreateDoesNotFollowLinks() throws {
    try folder.write("a", "x")
    #expect(throws: KacheryError.self) { _ = try File(folder.path("a"), .createNew(permissions: 0o600)) }
    #expect(symlink(folder.path("a"), folder.path("link")) == 0)
    #expect(throws: KacheryError.self) { _ = try File(folder.path("link"), .create(permissions: 0o600)) }
    #expect(try File(folder.path("link"), .read).bytes(at: 0, count: 9) == Array("x".utf8))
  }

  @Test func distinguishesKinds() throws {
    try folder.write("a", "xy")
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    #expect(symlink("a", folder.path("link")) == 0)
    #expect(try FileSystem.status(folder.path("a")).kind == .regular)
    #expect(try FileSystem.status(folder.path("a")).size == 2)
    #expect(try FileSystem.status(folder.path).kind == .folder)
    #expect(try FileSystem.status(folder.path("pipe")).kind == .other)
    #expect(try FileSystem.status(folder.path("link")).kind == .regular)
    #expect(try FileSystem.status(folder.path("link"), followingLinks: false).kind == .symbolicLink)
    #expect(try FileSystem.statusIfPresent(folder.path("none")) == nil)
    #expect(try File(folder.path("pipe"), .read).status().kind == .other)
  }

  @Test func seesModification() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    let before = try file.status()
    #expect(try file.status().isUnchanged(since: before))
    try file.write(at: 0, [1])
    #expect(try !file.status().isUnchanged(since: before))
    #expect(try file.status().isSameFile(as: before))
  }

  @Test func closesOnceAndRefusesLaterUse() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    file.close()
    file.close()
    #expect(throws: KacheryError.self) { try file.write(at: 0, [1]) }
  }

  @Test func setsPermissionsWhateverTheMask() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    try file.setPermissions(0o666)
    #expect(try file.status().permissions == 0o666)
  }

  @Test func syncsAndKnowsFreeSpace() throws {
    let file = try File(folder.path("a"), .createNew(permissions: 0o600))
    try file.write(at: 0, [1, 2])
    file.startWriting(ByteRange(whole: 2))
    try file.sync()
    try FileSystem.syncFolder(folder.path)
    #expect(try FileSystem.availableBytes(at: folder.path) > 0)
  }

  @Test func aFullDiskHasItsOwnCode() throws {
    let error = #expect(throws: KacheryError.self) { try File("/dev/full", .update).write(at: 0, [1]) }
    #expect(error?.code == .diskFull)
    #expect(error?.message.contains("/dev/full") == true)
  }
}

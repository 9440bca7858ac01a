import Files
import Glibc
import Primitives
import TestSupport
import Testing

@Suite struct FileSystemTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func createsFoldersWithTheirPermissions() throws {
    let changed = try FileSystem.createFolder(folder.path("a/b/c"), permissions: 0o770)
    #expect(changed == [folder.path("a/b"), folder.path("a"), folder.path])
    #expect(try FileSystem.status(folder.path("a/b")).permissions == 0o770)
    #expect(try FileSystem.createFolder(folder.path("a/b/c"), permissions: 0o700) == [])
    #expect(try FileSystem.status(folder.path("a/b/c")).permissions == 0o770)
  }

  /// Paths relative to an open folder work like other paths, wherever the folder has moved.
  @Test func createsFoldersBelowAnOpenOne() throws {
    try FileSystem.createFolder(folder.path("a"), permissions: 0o755)
    let place = try File(folder.path("a"), .folder)
    try FileSystem.rename(folder.path("a"), to: folder.path("b"))
    #expect(try FileSystem.createFolder("c/d", permissions: 0o770, in: place) == ["c", "."])
    #expect(try FileSystem.status("c/d", in: place).permissions == 0o770)
    #expect(try FileSystem.status(folder.path("b/c/d")).kind == .folder)
    #expect(try FileSystem.createFolder("c/d", permissions: 0o700, in: place) == [])
    #expect(try FileSystem.statusIfPresent("c/e", in: place) == nil)
    try folder.write("b/file", "x")
    for path in ["file", "file/d", ""] {
      #expect(throws: KacheryError.self) { try FileSystem.createFolder(path, permissions: 0o755, in: place) }
    }
    place.close()
    #expect(throws: KacheryError.self) { try FileSystem.createFolder("e", permissions: 0o755, in: place) }
  }

  @Test func refusesAFolderWhereAFileIs() throws {
    try folder.write("a", "x")
    let error = #expect(throws: KacheryError.self) {
      try FileSystem.createFolder(folder.path("a"), permissions: 0o755)
    }
    #expect(error?.code == .storageFailed)
    let below = #expect(throws: KacheryError.self) {
      try FileSystem.createFolder(folder.path("a/b"), permissions: 0o755)
    }
    #expect(below?.message.contains(folder.path("a")) == true)
  }

  @Test func replacesInOneStepAndLeavesNothingElse() throws {
    try FileSystem.replace(folder.path("a"), with: [1, 2], permissions: 0o640)
    try FileSystem.replace(folder.path("a"), with: [3], permissions: 0o600)
    #expect(try FileSystem.read(folder.path("a"), limit: 1) == [3])
    #expect(try FileSystem.status(folder.path("a")).permissions == 0o600)
    #expect(try folder.files() == ["a"])
  }

  @Test func aFailedReplaceLeavesTheOldContent() throws {
    try FileSystem.createFolder(folder.path("a"), permissions: 0o755)
    #expect(throws: KacheryError.self) {
      try FileSystem.replace(folder.path("a"), with: [1], permissions: 0o600)
    }
    #expect(try FileSystem.names(in: folder.path) == ["a"])
    #expect(throws: KacheryError.self) {
      try FileSystem.replace(folder.path("none/a"), with: [1], permissions: 0o600)
    }
  }

  @Test func readsSmallFilesOnly() throws {
    try folder.write("a", "1234")
    #expect(try FileSystem.read(folder.path("a"), limit: 4) == Array("1234".utf8))
    let large = #expect(throws: KacheryError.self) { try FileSystem.read(folder.path("a"), limit: 3) }
    #expect(large?.code == .tooLarge)
    let kind = #expect(throws: KacheryError.self) { try FileSystem.read(folder.path, limit: 3) }
    #expect(kind?.code == .storageFailed)
  }

  @Test func listsAndRemoves() throws {
    try folder.write("name with\nnewline", "")
    try folder.write("ñ", "")
    #expect(try Set(FileSystem.names(in: folder.path)) == ["name with\nnewline", "ñ"])
    // Two bytes that are not UTF-8: such a file is reported separately, never treated as absent.
    let odd = (Array("\(folder.path)/".utf8) + [0xff, 0xfe, 0]).map { CChar(bitPattern: $0) }
    close(creat(odd, 0o600))
    #expect(try FileSystem.allNames(in: folder.path).notUTF8 == ["\u{fffd}\u{fffd}"])
    #expect(try FileSystem.names(in: folder.path).count == 2)
    try FileSystem.remove(folder.path("ñ"))
    try FileSystem.remove(folder.path("ñ"))
    #expect(try FileSystem.names(in: folder.path).count == 1)
    #expect(throws: KacheryError.self) { try FileSystem.names(in: folder.path("none")) }
  }

  @Test func renameReplaces() throws {
    try folder.write("a", "1")
    try folder.write("b", "2")
    try FileSystem.rename(folder.path("a"), to: folder.path("b"))
    #expect(try FileSystem.read(folder.path("b"), limit: 9) == Array("1".utf8))
    #expect(throws: KacheryError.self) { try FileSystem.rename(folder.path("a"), to: folder.path("b")) }
  }

  @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b", "a"), ("a/\u{301}b", "a"), ("/\u{200d}", "/")])
  func findsTheParent(path: String, parent: String) {
    #expect(FileSystem.parent(of: path) == parent)
  }
}

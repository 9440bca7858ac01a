import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// Links written by older software.
@Suite struct LinkTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }
  let hash = ContentHash.of(Array("abc".utf8))
  let target: String

  init() throws {
    fixture = try StoreFixture()
    target = try fixture.folder.write("target", "abc")
  }

  private func link(_ document: String) throws {
    try FileSystem.createFolder(FileSystem.parent(of: fixture.path(hash)), permissions: 0o755)
    try FileSystem.replace(fixture.path(hash) + ".link", with: Array(document.utf8), permissions: 0o644)
  }

  private func link(to path: String, size: Int = 3, mtimeOffset: Double = 0, manifest: String = "null") throws {
    let modified = try FileSystem.status(path).modified + mtimeOffset
    try link(#"{"path": "\#(path)", "manifestSha1": \#(manifest), "stat": {"size": \#(size), "mtime": \#(modified)}}"#)
  }

  @Test func aLinkThatMatchesIsTheFile() throws {
    try link(to: target, manifest: #""\#(hash)""#)
    let found = try #require(try store.find(hash))
    #expect(found.path == target)
    #expect(found.isLink)
    #expect(found.size == 3)
    #expect(found.linkedManifest == hash)
    #expect(try store.open(hash)?.bytes(ByteRange(whole: 3)) == Array("abc".utf8))
  }

  /// A combining mark after the first slash forms one `Character` with it; the path is absolute nevertheless.
  @Test(arguments: [("/\u{301}/none", KacheryError.Code.notFound), ("\u{301}/none", .badRequest)])
  func aPathIsAbsoluteByItsFirstByte(path: String, code: KacheryError.Code) throws {
    let error = #expect(throws: KacheryError.self) { try store.link(path: path) }
    #expect(error?.code == code)
  }

  @Test(arguments: [(0.0019, true), (-0.0019, true), (0.003, false), (-0.003, false), (1, false)])
  func theTimeMayDifferByTwoMilliseconds(offset: Double, isValid: Bool) throws {
    try link(to: target, mtimeOffset: offset)
    #expect(try (store.find(hash) != nil) == isValid)
  }

  @Test func aLinkEndsWhenItsTargetChanges() throws {
    try link(to: target, size: 4)
    #expect(try store.find(hash) == nil)
    try link(to: target)
    let reader = try #require(try store.open(hash))
    try File(target, .update).write(at: 0, Array("xyz".utf8))
    #expect(throws: KacheryError.self) { try reader.bytes(ByteRange(whole: 3)) }
    try FileSystem.remove(target)
    #expect(try store.find(hash) == nil)
  }

  @Test func onlyRegularFilesCanBeLinked() throws {
    for path in ["/dev/null", folder.path] {
      try link(to: path, size: Int(FileSystem.status(path).size))
      #expect(try store.find(hash) == nil)
    }
  }

  @Test(arguments: [
    "", "{}", "[]", "nonsense", #"{"path":"relative","stat":{"size":3,"mtime":0}}"#,
    #"{"path":"/a\u0000b","stat":{"size":3,"mtime":0}}"#, #"{"path":"/etc/hostname","stat":{"size":-1,"mtime":0}}"#,
  ])
  func aDamagedLinkIsNotAFile(document: String) throws {
    try link(document)
    #expect((try? store.find(hash)) ?? nil == nil)
  }

  @Test func aStoredCopyCountsMoreThanALink() throws {
    try link(to: target)
    #expect(try store.store(path: target).hash == hash)
    #expect(try store.find(hash)?.isLink == false)
  }
}

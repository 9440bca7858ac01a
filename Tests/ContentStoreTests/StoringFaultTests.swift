import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// The system call affects only the calling thread, whose further calls have another user's permissions.
@_silgen_name("setfsuid") private func setFileSystemUser(_ user: UInt32) -> Int32

/// Runs `body` with the file permissions of the user `nobody`; only root may do this.
private func asNobody<Result>(_ body: () throws -> Result) rethrows -> Result {
  _ = setFileSystemUser(65_534)
  defer { _ = setFileSystemUser(geteuid()) }
  return try body()
}

@Suite struct StoringFaultTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  private func refusal(of path: String) throws -> KacheryError? {
    let error = #expect(throws: KacheryError.self) { try store.store(path: path) }
    #expect(error?.message.contains(path) == true)
    #expect(try fixture.leftovers() == [])
    return error
  }

  @Test func rejectsAnythingButRegularFiles() throws {
    #expect(try refusal(of: folder.path)?.code == .badRequest)
    #expect(try refusal(of: "/dev/zero")?.code == .badRequest)
    #expect(try refusal(of: folder.path("absent"))?.code == .notFound)
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    #expect(try refusal(of: folder.path("pipe"))?.code == .badRequest)
    #expect(symlink("nowhere", folder.path("dangling")) == 0)
    #expect(try refusal(of: folder.path("dangling"))?.code == .notFound)
  }

  @Test(.asRoot) func refusesAFileThatMayNotBeRead() throws {
    let path = try folder.write("secret", [1], permissions: 0)
    try File.setPermissions(of: path, 0)
    let error = #expect(throws: KacheryError.self) { try asNobody { try store.store(path: path) } }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("this user may not") == true)
  }

  @Test(.asRoot) func aDirectoryThatMayNotBeWrittenStillReads() throws {
    let receipt = try store.store(path: try folder.write("source", "abc"))
    try FileSystem.createFolder(folder.path("x"), permissions: 0o755)
    #expect(chmod(folder.path, 0o755) == 0)
    try asNobody {
      let other = try ContentStore(directory: store.directory, log: .disabled)
      #expect(try other.open(receipt.hash)?.bytes(ByteRange(whole: 3)) == Array("abc".utf8))
      let error = #expect(throws: KacheryError.self) { _ = try other.beginStore() }
      #expect(error?.code == .permissionDenied)
    }
  }

  /// Changes that another program may make to a file while it is being read.
  enum Change: CaseIterable { case append, overwrite, truncate, replace, remove }

  /// A large file is copied and hashed by several threads.
  @Test(arguments: Change.allCases, [1_000_000, 20_500_000])
  func refusesAFileThatChangesWhileItIsRead(change: Change, size: Int) throws {
    let path = try folder.write("source", PatternBytes.make(size))
    let error = #expect(throws: KacheryError.self) {
      try store.store(path: path) { (count) throws(KacheryError) in
        if count <= UInt64(Limits.blockSize) { try make(change, at: path, size) }
      }
    }
    #expect(error?.code == .fileChanged)
    #expect(error?.message.contains(path) == true)
    #expect(try folder.files().filter { $0.hasPrefix("store/") } == [])
  }

  private func make(_ change: Change, at path: String, _ size: Int) throws(KacheryError) {
    switch change {
    case .append: try File(path, .update).write(at: UInt64(size), [1])
    case .overwrite: try File(path, .update).write(at: 10, [1])
    case .truncate: try File(path, .update).truncate(to: 500_000)
    case .replace: try FileSystem.replace(path, with: PatternBytes.make(size), permissions: 0o644)
    case .remove: try FileSystem.remove(path)
    }
  }

  @Test func aStoreThatCannotBeMadeSaysSo() throws {
    try folder.write("file", "x")
    let error = #expect(throws: KacheryError.self) {
      _ = try ContentStore(directory: folder.path("file"), log: .disabled)
    }
    #expect(error?.message.contains(folder.path("file")) == true)
  }
}

extension File {
  fileprivate static func setPermissions(of path: String, _ permissions: UInt32) throws(KacheryError) {
    try File(path, .read).setPermissions(permissions)
  }
}

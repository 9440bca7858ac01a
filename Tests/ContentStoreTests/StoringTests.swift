import ContentStore
import Crypto
import Diagnostics
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// A store in a separate folder for each test.
struct StoreFixture {
  let folder: TemporaryFolder
  let store: ContentStore

  init(inMemory: Bool = false) throws { try self.init(in: TemporaryFolder(inMemory: inMemory)) }

  init(in folder: TemporaryFolder) throws {
    self.folder = folder
    store = try ContentStore(directory: folder.path("store"), log: .disabled)
  }

  /// The path of this hash in the storage format.
  func path(_ hash: ContentHash) -> String {
    let hex = hash.hex
    let parts = [hex.prefix(2), hex.dropFirst(2).prefix(2), hex.dropFirst(4).prefix(2)].joined(separator: "/")
    return "\(store.directory)/sha1/\(parts)/\(hex)"
  }

  /// Opens a stored file for writing, as its owner can despite its mode.
  func opened(_ hash: ContentHash) throws -> File {
    #expect(chmod(path(hash), 0o644) == 0)
    return try File(path(hash), .update)
  }

  /// The entries of the storage directory other than stored files.
  func leftovers() throws -> [String] {
    try folder.files().filter { $0.hasPrefix("store/kachery-node/") }
  }
}

@Suite struct StoringTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  /// Hashes computed by Python's hashlib and json.dumps for the same bytes.
  @Test(arguments: [
    (0, "da39a3ee5e6b4b0d3255bfef95601890afd80709", nil),
    (1, "bf8b4530d8d246dd74ac53a13471bba17941dff7", nil),
    (20_000_000, "ef8c862a5705479b042c2e3301d3be8ab42f4920", nil),
    (20_000_001, "b128ef31496e365f45fdeb6c0648e723be48e261", "736c26a2a614bb790ef0baea5d9a5974846b4953"),
    (50_000_000, "e9d574c796bcd8264b693f5c9bd18edc30ca8a94", "15a5cab51ee5e0176fd2f3a8a58ef6d0f3ed8d3e"),
  ])
  func storesFilesOfEverySize(size: Int, sha1: String, manifestSha1: String?) throws {
    let bytes = PatternBytes.make(size)
    let receipt = try store.store(path: try folder.write("source", bytes))
    #expect(receipt.hash.hex == sha1)
    #expect(receipt.manifest?.hex == manifestSha1)
    #expect(receipt.size == UInt64(size))
    #expect(try FileSystem.read(fixture.path(receipt.hash), limit: size) == bytes)
    #expect(try FileSystem.status(fixture.path(receipt.hash)).permissions == 0o444)
    #expect(try store.find(receipt.hash)?.size == UInt64(size))
    #expect(try fixture.leftovers() == [])
  }

  @Test func writesTheManifestByteForByteAsPythonDoes() throws {
    let receipt = try store.store(path: try folder.write("source", PatternBytes.make(20_000_001)))
    let manifest = try #require(receipt.manifest)
    let expected =
      #"{"size":20000001,"sha1":"b128ef31496e365f45fdeb6c0648e723be48e261","#
      + #""chunks":[{"start":0,"end":20000000,"sha1":"ef8c862a5705479b042c2e3301d3be8ab42f4920"},"#
      + #"{"start":20000000,"end":20000001,"sha1":"1dc3882d4bcccb325751803b817489c3715db4cc"}]}"#
    #expect(try FileSystem.read(fixture.path(manifest), limit: 1_000) == Array(expected.utf8))
    let read = try #require(try store.manifest(for: receipt.hash, named: manifest))
    #expect(read.size == 20_000_001)
    #expect(read.chunks.count == 2)
  }

  @Test func aStreamInOddPiecesGivesTheSame() throws {
    let bytes = PatternBytes.make(50_000_000)
    let writer = try store.beginStore()
    for start in stride(from: 0, to: bytes.count, by: 777_777) {
      let end = min(start + 777_777, bytes.count)
      try bytes.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
    }
    #expect(writer.count == 50_000_000)
    let receipt = try writer.finish()
    #expect(receipt.hash.hex == "e9d574c796bcd8264b693f5c9bd18edc30ca8a94")
    #expect(receipt.manifest?.hex == "15a5cab51ee5e0176fd2f3a8a58ef6d0f3ed8d3e")
    #expect(try fixture.leftovers() == [])
  }

  @Test func anAbandonedStreamLeavesNothing() throws {
    let writer = try store.beginStore()
    try writer.write([1, 2, 3])
    #expect(try fixture.leftovers().count == 1)
    writer.cancel()
    writer.cancel()
    #expect(try fixture.leftovers() == [])
    #expect(throws: KacheryError.self) { try writer.write([4]) }
    #expect(throws: KacheryError.self) { try writer.finish() }
    do { try store.beginStore().write([1]) }
    #expect(try fixture.leftovers() == [])
  }

  @Test func storingAgainLeavesTheOldFile() throws {
    let path = try folder.write("source", "abc")
    let receipt = try store.store(path: path)
    let before = try FileSystem.status(fixture.path(receipt.hash))
    #expect(try store.store(path: path) == receipt)
    #expect(try FileSystem.status(fixture.path(receipt.hash)) == before)
    #expect(try fixture.leftovers() == [])
  }

  @Test func storingAgainRepairsAFileThatWasCutShort() throws {
    let path = try folder.write("source", "abc")
    let receipt = try store.store(path: path)
    try fixture.opened(receipt.hash).truncate(to: 1)
    #expect(try store.store(path: path) == receipt)
    #expect(try FileSystem.read(fixture.path(receipt.hash), limit: 9) == Array("abc".utf8))
  }

  @Test func eightThreadsMayStoreTheSameFileConcurrently() async throws {
    let path = try folder.write("source", PatternBytes.make(2_000_000))
    let store = store
    let receipts = try await withThrowingTaskGroup(of: StoreReceipt.self) { group in
      for _ in 0..<8 { group.addTask { try store.store(path: path) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(receipts).count == 1)
    #expect(receipts.count == 8)
    #expect(try fixture.leftovers() == [])
    #expect(try folder.files().count == 2)
  }

  @Test func anyNameCanBeStored() throws {
    for name in ["with space", "new\nline", "ünï", "-rf", "'quote\""] {
      #expect(try store.store(path: try folder.write(name, name)).size == UInt64(name.utf8.count))
    }
  }

  @Test func aSymbolicLinkStandsForItsFile() throws {
    #expect(symlink(try folder.write("source", "abc"), folder.path("link")) == 0)
    #expect(try store.store(path: folder.path("link")).hash == ContentHash.of(Array("abc".utf8)))
  }
}

import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

@Suite struct ReadingTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }
  let absent = ContentHash.of([])

  init() throws { fixture = try StoreFixture() }

  @Test func readsRanges() throws {
    let bytes = PatternBytes.make(1_000)
    let receipt = try store.store(path: try folder.write("source", bytes))
    let reader = try #require(try store.open(receipt.hash))
    #expect(reader.size == 1_000)
    let range = try #require(ByteRange(start: 10, end: 20))
    #expect(try reader.bytes(range) == Array(bytes[10..<20]))
    #expect(try reader.bytes(ByteRange(whole: 1_000)) == bytes)
    #expect(try reader.bytes(ByteRange(whole: 0)) == [])
    reader.close()
    reader.close()
    #expect(throws: KacheryError.self) { try reader.bytes(range) }
  }

  /// A file system in memory does not report whether bytes are cached.
  @Test func readsRangesThatMemoryHolds() throws {
    let fixture = try StoreFixture(in: .onDisk())
    let bytes = PatternBytes.make(1_000)
    let receipt = try fixture.store.store(path: try fixture.folder.write("source", bytes))
    let reader = try #require(try fixture.store.open(receipt.hash))
    let range = try #require(ByteRange(start: 10, end: 20))
    #expect(reader.cachedBytes(range) == Array(bytes[10..<20]))
    #expect(reader.cachedBytes(ByteRange(whole: 1_001)) == nil)
  }

  @Test(arguments: [(0, 1_001), (1_000, 1), (1_001, 1), (UInt64.max, 1), (UInt64.max - 1, 10)] as [(UInt64, Int)])
  func aRangePastTheEndIsRefused(start: UInt64, count: Int) throws {
    let receipt = try store.store(path: try folder.write("source", PatternBytes.make(1_000)))
    let reader = try #require(try store.open(receipt.hash))
    var buffer = [UInt8](repeating: 0, count: count)
    let error = #expect(throws: KacheryError.self) {
      try buffer.withUnsafeMutableBytes { _ = try reader.read(at: start, into: $0) }
    }
    #expect(error?.code == .badRequest)
    #expect(error?.message.contains("1000 bytes") == true)
  }

  @Test func whatIsNotHereIsNotFound() throws {
    #expect(try store.find(absent) == nil)
    #expect(try store.open(absent) == nil)
    #expect(try store.manifest(for: absent, named: absent) == nil)
  }

  @Test func aStoredFileThatIsNotARegularFileIsRejected() throws {
    try FileSystem.createFolder(fixture.path(absent), permissions: 0o755)
    #expect(throws: KacheryError.self) { try store.find(absent) }
    try FileSystem.removeFolder(fixture.path(absent))
    #expect(symlink("/etc/hostname", fixture.path(absent)) == 0)
    #expect(throws: KacheryError.self) { try store.open(absent) }
  }

  @Test func aFileCutShortWhileItIsReadIsNoticed() throws {
    let receipt = try store.store(path: try folder.write("source", "abc"))
    let reader = try #require(try store.open(receipt.hash))
    try fixture.opened(receipt.hash).truncate(to: 1)
    let error = #expect(throws: KacheryError.self) { try reader.bytes(ByteRange(whole: 3)) }
    #expect(error?.code == .fileChanged)
  }

  @Test func aManifestMustBeOneAndOfThisFile() throws {
    let text = try store.store(path: try folder.write("source", "no manifest")).hash
    #expect(throws: KacheryError.self) { try store.manifest(for: absent, named: text) }
    let manifest = Manifest(size: 0, hash: absent, chunkHashes: [])
    let stored = try store.store(path: try folder.write("manifest", manifest.bytes)).hash
    #expect(try store.manifest(for: absent, named: stored) == manifest)
    let other = #expect(throws: KacheryError.self) { try store.manifest(for: text, named: stored) }
    #expect(other?.code == .badManifest)
    try fixture.opened(stored).write(at: 9, [0x20])
    let damaged = #expect(throws: KacheryError.self) { try store.manifest(for: absent, named: stored) }
    #expect(damaged?.code == .hashMismatch)
  }
}

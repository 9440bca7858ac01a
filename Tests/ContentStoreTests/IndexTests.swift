import ContentStore
import Crypto
import Diagnostics
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// The cache of facts about stored files, and what happens when it is lost.
@Suite struct IndexTests {
  let folder: TemporaryFolder
  let owner: NodeID

  init() throws {
    folder = try TemporaryFolder()
    owner = try #require(NodeID(hex: String(repeating: "ab", count: 32)))
  }

  private func open() throws -> ContentStore {
    try ContentStore(directory: folder.path("store"), log: .disabled, indexOwner: owner)
  }

  private var indexPath: String { folder.path("store/kachery-node/index-abababababababab.db") }

  private func storeLarge(_ store: ContentStore) throws -> StoreReceipt {
    try store.store(path: try folder.write("large", PatternBytes.make(20_500_000)))
  }

  @Test func theManifestOfAFileIsRememberedAcrossAStart() throws {
    let first = try open()
    let receipt = try storeLarge(first)
    first.index?.close()
    let second = try open()
    let file = try #require(try second.find(receipt.hash))
    #expect(receipt.manifest != nil)
    #expect(second.knownManifest(of: file) == receipt.manifest)
    second.index?.close()
  }

  /// A file from older software.
  @Test func aManifestIsCreatedForAFileWithoutOne() throws {
    let store = try open()
    let bytes = PatternBytes.make(20_500_000)
    let hash = ContentHash.of(bytes)
    try place(bytes, hash)
    let file = try #require(try store.find(hash))
    #expect(store.knownManifest(of: file) == nil)
    #expect(throws: KacheryError.self) { try store.makeManifest(of: hash) { false } }
    try store.makeManifest(of: hash)
    let named = try #require(store.knownManifest(of: file))
    let manifest = try #require(try store.manifest(for: hash, named: named))
    #expect(manifest.chunkHashes == [.of(bytes[..<20_000_000]), .of(bytes[20_000_000...])])
    store.index?.close()
  }

  @Test func whatIsDamagedGetsNoManifest() throws {
    let store = try open()
    let hash = ContentHash.of([1])
    try place(PatternBytes.make(20_500_000), hash)
    #expect { try store.makeManifest(of: hash) } throws: { ($0 as? KacheryError)?.code == .hashMismatch }
    #expect(try store.find(hash) == nil)
    #expect(store.hasSetAside(hash))
    #expect { try store.makeManifest(of: hash) } throws: { ($0 as? KacheryError)?.code == .notFound }
    store.index?.close()
  }

  private func place(_ bytes: [UInt8], _ hash: ContentHash) throws {
    let hex = hash.hex
    let parts = [hex.prefix(2), hex.dropFirst(2).prefix(2), hex.dropFirst(4).prefix(2)].joined(separator: "/")
    try FileSystem.createFolder(folder.path("store/sha1/\(parts)"), permissions: 0o755)
    try FileSystem.replace(folder.path("store/sha1/\(parts)/\(hex)"), with: bytes, permissions: 0o644)
  }

  /// Whatever happens to the database: the files are the truth, and it is rebuilt from them.
  @Test(arguments: ["", "no database at all", "removed"])
  func aLostIndexIsMadeAgainFromTheFiles(content: String) throws {
    let first = try open()
    let receipt = try storeLarge(first)
    let small = try first.store(path: try folder.write("small", "abc"))
    first.index?.close()
    if content == "removed" {
      try FileSystem.remove(indexPath)
    } else {
      try FileSystem.replace(indexPath, with: Array(content.utf8), permissions: 0o600)
    }
    for suffix in ["-wal", "-shm", "-journal"] { try FileSystem.remove(indexPath + suffix) }
    let second = try open()
    #expect(second.index?.isComplete == false)
    try second.completeIndex()
    #expect(second.index?.isComplete == true)
    let file = try #require(try second.find(receipt.hash))
    #expect(second.knownManifest(of: file) == receipt.manifest)
    #expect(try second.find(small.hash)?.size == 3)
    second.index?.close()
  }

  /// Two documents that both claim to describe a file: neither is believed.
  @Test func manifestsThatContradictEachOtherCountForNothing() throws {
    let first = try open()
    let receipt = try storeLarge(first)
    let lie = Manifest(size: receipt.size, hash: receipt.hash, chunkHashes: [.of([1]), .of([2])])
    _ = try first.store(path: try folder.write("lie", lie.bytes))
    first.index?.close()
    try FileSystem.remove(indexPath)
    let second = try open()
    try second.completeIndex()
    let file = try #require(try second.find(receipt.hash))
    #expect(second.knownManifest(of: file) == nil)
    second.index?.close()
  }

  /// No block is written if the bytes are already stored.
  @Test(arguments: [5_000, 20_500_000])
  func storingWhatIsHereCopiesNothing(size: Int) throws {
    let store = try open()
    let path = try folder.write("source", PatternBytes.make(size))
    let first = try store.store(path: path)
    var blocks = 0
    let second = try store.store(path: path) { (_) throws(KacheryError) in blocks += 1 }
    #expect(second == first)
    #expect(blocks == 0)
    store.index?.close()
  }

  @Test(arguments: [3, 20_500_000])
  func aFileOfTheSameSizeIsStoredAllTheSame(size: Int) throws {
    let store = try open()
    var bytes = PatternBytes.make(size)
    _ = try store.store(path: try folder.write("one", bytes))
    // A place that is not read before the whole file is.
    bytes[size / 3] ^= 1
    let other = try store.store(path: try folder.write("other", bytes))
    #expect(other.hash == ContentHash.of(bytes))
    #expect(try store.find(other.hash)?.size == UInt64(size))
    store.index?.close()
  }

  private func small(_ count: Int) -> [SmallFile] {
    (0..<count).map { number in
      let bytes = PatternBytes.make(100_000, seed: number)
      return SmallFile(hash: .of(bytes), bytes: bytes)
    }
  }

  /// Makes the files look as if none had been used for a day.
  private func age(_ files: [SmallFile], in store: ContentStore) {
    for file in files {
      var times = [timespec](repeating: timespec(tv_sec: time(nil) - 86_400, tv_nsec: 0), count: 2)
      #expect(utimensat(AT_FDCWD, store.path(of: file.hash), &times, 0) == 0)
    }
  }

  private func limit(to bytes: Int) throws {
    try folder.write("store/kachery.yaml", "maxCacheSizeGiB: \(Double(bytes) / 1_073_741_824)\n")
  }

  /// Files that arrive in a batch are known immediately: in listings, as copies, and as just used.
  @Test func filesThatArriveTogetherAreKnownImmediately() throws {
    let store = try open()
    try store.completeIndex()
    let files = small(10)
    for outcome in store.admit(files) { _ = try outcome.get() }
    var listed: Set<ContentHash> = []
    try store.list { file in
      listed.insert(file.hash)
      return true
    }
    #expect(listed == Set(files.map(\.hash)))
    #expect(try store.usage().files.bytes == 1_000_000)
    var blocks = 0
    let again = try store.store(path: try folder.write("source", files[3].bytes)) { (_) throws(KacheryError) in
      blocks += 1
    }
    #expect(again.hash == files[3].hash && blocks == 0)
    age(files, in: store)
    try limit(to: 500_000)
    #expect(try store.collect().removed.count == 0)
    store.index?.close()
  }

  /// A use of a file counts even if another process stored it.
  @Test func theLastUseOfAnyFileIsRemembered() throws {
    let first = try open()
    try first.completeIndex()
    let files = small(10)
    let other = try ContentStore(directory: first.directory, log: .disabled)
    for outcome in other.admit(files) { _ = try outcome.get() }
    try first.open(files[0].hash)?.close()
    first.index?.close()
    age(files, in: first)
    try limit(to: 500_000)
    let second = try open()
    #expect(try second.collect().removed.count == 6)
    #expect(try second.find(files[0].hash) != nil)
    second.index?.close()
  }
}

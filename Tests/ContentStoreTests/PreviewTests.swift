import ContentStore
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// What would be removed, which files a pinned folder keeps, and what it takes to release a file.
@Suite struct PreviewTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  private func keep(_ bytes: [UInt8], lastUsed secondsAgo: Int = 10_000) throws -> ContentHash {
    let receipt = try store.store(path: try folder.write("source", bytes))
    var times = [timespec](repeating: timespec(tv_sec: time(nil) - secondsAgo, tv_nsec: 0), count: 2)
    #expect(utimensat(AT_FDCWD, fixture.path(receipt.hash), &times, 0) == 0)
    return receipt.hash
  }

  private func limit(to bytes: Int) throws {
    try folder.write("store/kachery.yaml", "maxCacheSizeGiB: \(Double(bytes) / 1_073_741_824)\n")
  }

  private func everything() throws -> [String] { try folder.files().sorted() }

  @Test func aPreviewSaysWhatHappensAndChangesNothing() throws {
    var hashes: [ContentHash] = []
    for number in 0..<5 {
      hashes.append(try keep(PatternBytes.make(100_000, seed: number), lastUsed: 100_000 - number * 1_000))
    }
    try store.remove(hashes[4])
    try store.pin(hashes[0])
    try limit(to: 300_000)
    let before = try everything()
    for emptyingTrash in [false, true] {
      let preview = try store.collect(emptyingTrash: emptyingTrash, isPreview: true)
      #expect(preview.files.map(\.hash) == [hashes[1], hashes[2]])
      #expect(preview.freed == (emptyingTrash ? 300_000 : 200_000), "the trash may hold what the limit leaves")
      #expect(preview.trash.bytes == (emptyingTrash ? 0 : 100_000))
      #expect(try everything() == before)
    }
    let preview = try store.collect(isPreview: true)
    var report = try store.collect()
    #expect(report.files.isEmpty)
    report.files = preview.files
    #expect(report == preview)
    #expect(try store.collect(emptyingTrash: true).freed == report.trash.bytes)
  }

  @Test func aPreviewOfARemovalRefusesWhatIsRefused() throws {
    let (pinned, plain) = (try keep([1]), try keep([2, 3]))
    try store.pin(pinned)
    let absent = try #require(ContentHash(hex: String(repeating: "0", count: 40)))
    let before = try everything()
    let preview = store.previewRemoval([pinned, plain, absent])
    #expect(preview["removed"]?.array?.map { $0["bytes"] } == [2])
    #expect(preview["refused"]?.array?.map { $0["code"] } == ["forbidden", "not_found"])
    #expect(try everything() == before)
  }

  @Test func filesOfOtherPinnedFoldersStayPinned() throws {
    let (own, shared) = (try keep([1]), try keep([2]))
    func document(_ files: [ContentHash]) throws -> ContentHash {
      let folder = try FolderDocument(
        files: files.enumerated().map { .init(name: "\($0.offset)", size: 1, hash: $0.element) }, folders: [])
      return try keep(folder.json.compactBytes)
    }
    let (one, other) = (try document([own, shared]), try document([shared]))
    // Neither is a document of a folder.
    let odd = try keep(Array(#"{"files":[]}"#.utf8))
    _ = try store.setPinned(true, [one, own, shared, other, odd])
    let spared = try store.setPinned(false, [one, own, shared], sparingFolders: true)
    #expect(spared == ["changed": 2, "kept": 1])
    #expect(try store.isPinned(shared) && !store.isPinned(own) && !store.isPinned(one))
    #expect(try store.setPinned(false, [other, shared], sparingFolders: true) == ["changed": 2, "kept": 0])
    #expect(try !store.isPinned(shared))
  }

  @Test func aSampleHasTheBytesOfTheParts() throws {
    let bytes = PatternBytes.make(10_000)
    let hash = try keep(bytes)
    let range = try #require(ByteRange(start: 10, end: 20))
    let sample = try store.sample(hash) { size in
      #expect(size == 10_000)
      return [range, range]
    }
    #expect(sample.size == 10_000 && sample.parts.count == 2)
    #expect(sample.parts.allSatisfy { $0.range == range && $0.bytes == Array(bytes[10..<20]) })
    try store.pin(hash)
    #expect(#expect(throws: KacheryError.self) { try store.sample(hash) { _ in [] } }?.code == .forbidden)
  }
}

import Crypto
import Files
import Glibc
import Primitives
import Synchronization
import TestSupport
import Testing

@testable import ContentStore

/// Files that clients, users or root alter after they were stored: whatever the store returns has its hash.
@Suite struct AlteredFileTests {
  let folder: TemporaryFolder
  let owner: NodeID

  init() throws {
    folder = try TemporaryFolder()
    owner = try #require(NodeID(hex: String(repeating: "ab", count: 32)))
  }

  private func open(withIndex: Bool = true) throws -> ContentStore {
    try ContentStore(directory: folder.path("store"), log: .disabled, indexOwner: withIndex ? owner : nil)
  }

  private func keep(_ bytes: [UInt8], in store: ContentStore) throws -> ContentHash {
    try store.store(path: try folder.write("source", bytes)).hash
  }

  private func code(_ body: () throws -> Void) -> KacheryError.Code? {
    do { try body() } catch { return (error as? KacheryError)?.code }
    return nil
  }

  // MARK: Modes

  @Test(arguments: [0, 1_000, 20_500_000])
  func whatIsStoredIsReadOnly(size: Int) throws {
    let store = try open()
    let bytes = PatternBytes.make(size)
    let receipt = try store.store(path: try folder.write("source", bytes))
    let writer = try store.beginStore()
    try writer.write(bytes + [1])
    let written = try writer.finish()
    let small = SmallFile(hash: .of(bytes + [2]), bytes: bytes + [2])
    for outcome in store.admit([small]) { _ = try outcome.get() }
    let received = ContentHash.of(bytes + [3])
    let incoming = try store.beginReceive(received, size: UInt64(size + 1))
    let chunk = try incoming.beginChunk(ByteRange(whole: UInt64(size + 1)), expected: nil)
    try (bytes + [3]).withUnsafeBytes { try chunk.append($0) }
    try chunk.finish()
    _ = try incoming.finish()
    let all =
      [receipt.hash, written.hash, small.hash, received] + [receipt.manifest, written.manifest].compactMap(\.self)
    for hash in all { #expect(try FileSystem.status(store.path(of: hash)).permissions == 0o444) }
    // Read-only files can still be removed.
    for hash in all { try store.remove(hash) }
    #expect(store.emptyTrash() > 0)
    store.index?.close()
  }

  /// A process that ends after making a file read-only and before naming it leaves a file that its owner cannot write.
  @Test func whatWasLeftReadOnlyIsRemovedOrReceivedFurther() throws {
    let store = try open(withIndex: false)
    let bytes = PatternBytes.make(2_000)
    let chunks = [0, 1_000].map { start in
      Manifest.Chunk(
        range: ByteRange(start: UInt64(start), end: UInt64(start + 1_000)) ?? ByteRange(whole: 0),
        hash: .of(bytes[start..<start + 1_000]))
    }
    let hash = ContentHash.of(bytes)
    let first = try store.beginReceive(hash, size: 2_000, chunks: chunks)
    let chunk = try first.beginChunk(chunks[0].range, expected: chunks[0].hash)
    try bytes[..<1_000].withUnsafeBytes { try chunk.append($0) }
    try chunk.finish()
    first.close()
    #expect(chmod(folder.path("store/kachery-node/partial/\(hash)"), 0o444) == 0)
    let second = try store.beginReceive(hash, size: 2_000, chunks: chunks)
    #expect(second.resumed == [chunks[0]])
    second.discard()
    try store.beginStore().cancel()
    try folder.write("store/kachery-node/temporary/left", [1], permissions: 0o444)
    _ = try open(withIndex: false)
    #expect(try folder.files().filter { $0.hasPrefix("store/kachery-node/") } == [])
  }

  // MARK: Stored files

  @Test(arguments: Alteration.allCases, GivenBy.allCases)
  func anAlteredFileIsSetAsideAndNotGiven(alteration: Alteration, way: GivenBy) throws {
    for (withIndex, size) in [(true, 1_000), (true, 3_000_000), (false, 1_000), (false, 3_000_000)] {
      let store = try open(withIndex: withIndex)
      let bytes = PatternBytes.make(size)
      let hash = try keep(bytes, in: store)
      #expect(try way.bytes(hash, from: store) == bytes)
      try alteration.apply(to: store.path(of: hash))
      // A batch reports only that the file is not here; the refusal gives the reason.
      let refusal = code { _ = try way.bytes(hash, from: store) }
      #expect(refusal == (way == .batch ? nil : .hashMismatch))
      #expect(store.hasSetAside(hash))
      #expect(try way.bytes(hash, from: store) == nil)
      #expect(try keep(bytes, in: store) == hash)
      #expect(try way.bytes(hash, from: store) == bytes)
      _ = store.removeDamaged()
      try store.remove(hash)
      store.index?.close()
    }
  }

  @Test(arguments: Alteration.allCases)
  func whatIsAlteredWhileTheNodeIsDownIsFoundOut(alteration: Alteration) throws {
    let first = try open()
    let hashes = try [1_000, 3_000_000].map { try keep(PatternBytes.make($0), in: first) }
    first.index?.close()
    for hash in hashes { try alteration.apply(to: first.path(of: hash)) }
    let second = try open()
    try second.completeIndex()
    for hash in hashes { #expect(code { _ = try second.find(hash) } == .hashMismatch) }
    second.index?.close()
  }

  /// It is hashed once, and not again until something changes again.
  @Test func aFileThatWasOnlyTouchedIsGivenAndRemembered() throws {
    let store = try open()
    let hash = try keep(PatternBytes.make(3_000_000), in: store)
    let before = store.index?.stamp(of: hash)
    try Alteration.touch(store.path(of: hash))
    let status = try FileSystem.status(store.path(of: hash))
    #expect(before != FileStamp(status) && store.needsRecheck(hash, status))
    #expect(try store.find(hash)?.size == 3_000_000)
    #expect(store.index?.stamp(of: hash) == FileStamp(status))
    #expect(!store.needsRecheck(hash, status))
    store.index?.close()
  }

  /// A directory written by older software, or a lost index: small files are hashed when they are first returned, and
  /// larger ones are watched from then on.
  @Test(arguments: [false, true])
  func whatTheIndexDoesNotKnow(isComplete: Bool) throws {
    let other = try open(withIndex: false)
    let small = try keep(PatternBytes.make(1_000), in: other)
    let large = try keep(PatternBytes.make(3_000_000), in: other)
    try Alteration.writtenWithOldTimes.apply(to: other.path(of: small))
    let store = try open()
    if isComplete { try store.completeIndex() }
    #expect(code { _ = try store.find(small) } == .hashMismatch)
    #expect(try store.find(large)?.size == 3_000_000)
    try Alteration.writtenWithOldTimes.apply(to: other.path(of: large))
    #expect(code { _ = try store.find(large) } == .hashMismatch)
    store.index?.close()
  }

  @Test func aCheckSetsTheRecordStraight() throws {
    let store = try open()
    let hash = try keep(PatternBytes.make(3_000_000), in: store)
    try Alteration.touch(store.path(of: hash))
    #expect(try store.verify(only: [hash]) { (_) throws(KacheryError) in true }.damaged == 0)
    #expect(!store.needsRecheck(hash, try FileSystem.status(store.path(of: hash))))
    store.index?.close()
  }

  /// The least recently used file must stay so.
  @Test func hashingAgainDoesNotCountAsAUse() throws {
    let other = try open(withIndex: false)
    let hash = try keep(PatternBytes.make(3_000_000), in: other)
    var times = [timespec](repeating: timespec(tv_sec: 1_000_000, tv_nsec: 0), count: 2)
    #expect(utimensat(AT_FDCWD, other.path(of: hash), &times, 0) == 0)
    let store = try open()
    for _ in 0..<2 {
      _ = try store.verify { (_) throws(KacheryError) in true }
      var uses: [Int64] = []
      try store.list { file in
        uses.append(file.lastUse)
        return true
      }
      #expect(uses == [1_000_000])
    }
    store.index?.close()
  }

  // MARK: A whole copy arrives

  @Test(arguments: [true, false], [1_000, 3_000_000])
  func aWholeCopyReplacesAnAlteredOne(withIndex: Bool, size: Int) throws {
    let store = try open(withIndex: withIndex)
    let bytes = PatternBytes.make(size)
    let hash = ContentHash.of(bytes)
    let ways: [() throws -> Void] = [
      { _ = try store.store(path: folder.path("source")) },
      {
        let writer = try store.beginStore()
        try writer.write(bytes)
        _ = try writer.finish()
      },
      { for outcome in store.admit([SmallFile(hash: hash, bytes: bytes)]) { _ = try outcome.get() } },
      {
        let incoming = try store.beginReceive(hash, size: UInt64(size))
        let chunk = try incoming.beginChunk(ByteRange(whole: UInt64(size)), expected: nil)
        try bytes.withUnsafeBytes { try chunk.append($0) }
        try chunk.finish()
        _ = try incoming.finish()
      },
    ]
    for (number, way) in ways.enumerated() {
      #expect(try keep(bytes, in: store) == hash)
      try Alteration.writtenWithOldTimes.apply(to: store.path(of: hash))
      try way()
      #expect(try FileSystem.read(store.path(of: hash), limit: size) == bytes, "way \(number)")
      #expect(try store.find(hash)?.size == UInt64(size), "way \(number)")
    }
    store.index?.close()
  }

  /// The link is then needed.
  @Test func aFileIsLinkedWhoseStoredCopyWasAltered() throws {
    let store = try open()
    let hash = try keep(PatternBytes.make(3_000_000), in: store)
    try Alteration.writtenWithOldTimes.apply(to: store.path(of: hash))
    #expect(try store.link(path: folder.path("source")).hash == hash)
    #expect(try store.find(hash)?.path == folder.path("source"))
    store.index?.close()
  }

  // MARK: Large files

  @Test func hashingEndsWithTheProcess() throws {
    let store = try open()
    let hash = try keep(PatternBytes.make(3_000_000), in: store)
    try Alteration.touch(store.path(of: hash))
    store.endLongWork()
    #expect(code { _ = try store.find(hash) } == .cancelled)
    #expect(!store.hasSetAside(hash))
    store.index?.close()
  }

  @Test func manyThatAskGetTheSameAnswer() async throws {
    let store = try open()
    let touched = try keep(PatternBytes.make(3_000_000), in: store)
    try Alteration.touch(store.path(of: touched))
    let sizes = try await withThrowingTaskGroup(of: UInt64?.self) { group in
      for _ in 0..<16 { group.addTask { try store.find(touched)?.size } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(sizes == Array(repeating: 3_000_000, count: 16))
    store.index?.close()
  }

  /// A pool of four threads must serve other requests as well.
  @Test func largeFilesTakeTwoThreadsAtMost() throws {
    let rechecks = Rechecks()
    let (one, other, third) = (ContentHash.of([1]), ContentHash.of([2]), ContentHash.of([3]))
    try rechecks.perform(one, size: 1 << 30) { () throws(KacheryError) in
      try rechecks.perform(other, size: 1 << 30) { () throws(KacheryError) in
        #expect(code { try rechecks.perform(third, size: 1 << 30) {} } == .alreadyRunning)
        try rechecks.perform(third, size: 1_000) {}
      }
      try rechecks.perform(third, size: 1 << 30) {}
    }
  }
}

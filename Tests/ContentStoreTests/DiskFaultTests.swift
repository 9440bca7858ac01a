import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// A disk that fails at the n-th operation, for every n: only once, or from then on, as if the process had ended there.
@Suite(.serialized) struct DiskFaultTests {
  /// The operation during which the disk fails.
  enum Deed: CaseIterable {
    case storeSmall, storeLarge, storeAgain, receive, receiveTogether, link, verify, collect, remove, pin, index
  }

  /// Created once: otherwise the tests would spend most of their time on it.
  private static let small = PatternBytes.make(600_000)
  private static let large = PatternBytes.make(20_500_000)

  /// A store with some files, and the input of the operation.
  private struct Scene {
    let fixture: StoreFixture
    let kept: [ContentHash: UInt64]
    let source: String
    let content: [UInt8]
    let old: ContentHash

    init(_ deed: Deed) throws {
      fixture = try StoreFixture(inMemory: true)
      content = deed == .storeLarge ? large : small
      source = try fixture.folder.write("source", content)
      var kept: [ContentHash: UInt64] = [:]
      for size in [1, 50_000] {
        let receipt = try fixture.store.store(path: try fixture.folder.write("kept", PatternBytes.make(size)))
        kept[receipt.hash] = receipt.size
      }
      if deed == .storeAgain { kept[try fixture.store.store(path: source).hash] = 600_000 }
      self.kept = kept
      old = try fixture.store.store(path: try fixture.folder.write("old", "an old file")).hash
      if deed == .collect {
        var times = [timespec](repeating: timespec(tv_sec: 1_000_000, tv_nsec: 0), count: 2)
        #expect(utimensat(AT_FDCWD, fixture.path(old), &times, 0) == 0)
        try fixture.folder.write("store/kachery.yaml", "maxCacheSizeGiB: \(Double(50_005) / 1_073_741_824)\n")
      }
    }

    /// A process being started by another test inherits the locks for a moment, so the search for leftovers is
    /// repeated.
    private func unfinished(_ store: ContentStore) throws -> [String] {
      var unfinished: [String] = []
      for attempt in 0..<100 {
        unfinished = try fixture.leftovers().filter { $0.contains("/temporary/") }
        if unfinished.isEmpty { break }
        if attempt > 0 { usleep(20_000) }
        _ = try ContentStore(directory: store.directory, log: .disabled)
      }
      return unfinished
    }

    func run(_ deed: Deed, in store: ContentStore) throws {
      switch deed {
      case .storeSmall, .storeLarge, .storeAgain: _ = try store.store(path: source)
      case .receive: try receive(in: store)
      case .receiveTogether:
        let files = [[1], [2, 3], content].map { SmallFile(hash: .of($0), bytes: $0) }
        for result in store.admit(files) { _ = try result.get() }
      case .index:
        let owner = try #require(NodeID(hex: String(repeating: "cd", count: 32)))
        let indexed = try ContentStore(directory: store.directory, log: .disabled, indexOwner: owner)
        defer { indexed.index?.close() }
        try indexed.completeIndex()
      case .link: _ = try store.link(path: source)
      case .verify: _ = try store.verify { (_) throws(KacheryError) in true }
      case .collect: _ = try store.collect(emptyingTrash: true)
      case .remove: try store.remove(old)
      case .pin: try store.pin(old)
      }
    }

    private func receive(in store: ContentStore) throws {
      let hash = ContentHash.of(content)
      guard try store.find(hash) == nil else { return }
      let chunks = ReceivingTests.chunks(of: content)
      let file = try store.beginReceive(hash, size: UInt64(content.count), chunks: chunks)
      for chunk in chunks where !file.resumed.contains(chunk) {
        let incoming = try file.beginChunk(chunk.range, expected: chunk.hash)
        let range = Int(chunk.range.start)..<Int(chunk.range.end)
        try content.withUnsafeBytes { try incoming.append(UnsafeRawBufferPointer(rebasing: $0[range])) }
        try incoming.finish()
      }
      _ = try file.finish()
    }

    /// Expects that all earlier files are still stored, nothing is damaged, and only permitted files are left behind.
    func expectSound(_ store: ContentStore, _ place: Comment) throws {
      for (hash, size) in kept { #expect(try store.find(hash)?.size == size, place) }
      let report = try store.verify { (_) throws(KacheryError) in true }
      #expect(report.damaged == 0 && report.unreadable == 0 && report.foreign == 0, place)
      #expect(try unfinished(store) == [], place)
    }
  }

  /// A disk that is full until something is removed: the trash is emptied, and the operation succeeds.
  @Test(arguments: [Deed.storeSmall, .storeLarge, .receive, .receiveTogether])
  func aFullDiskCostsTheTrashFirst(deed: Deed) async throws {
    try await onOwnThread { try fillTheDisk(deed) }
  }

  private func fillTheDisk(_ deed: Deed) throws {
    var number = 0
    var isSaved = false
    while !isSaved {
      number += 1
      let scene = try Scene(deed)
      let store = scene.fixture.store
      try store.remove(scene.old)
      // A large file is copied by the file system first, then through memory: two attempts that fail.
      let failures = deed == .storeLarge ? 2 : 1
      let fault = FileFault(at: number, errno: ENOSPC, .recovers, failures: failures)
      let outcome = Result { try FileFault.$current.withValue(fault) { try scene.run(deed, in: store) } }
      try #require(fault.operations >= number, "no write succeeded by emptying the trash")
      guard case .success = outcome, try store.usage().trash.count == 0 else { continue }
      #expect(try store.find(.of(scene.content))?.size == UInt64(scene.content.count))
      try scene.expectSound(store, "\(deed), operation \(number)")
      isSaved = true
    }
  }

  @Test(arguments: Deed.allCases, [FileFault.Aftermath.recovers, .dies])
  func aFailureAtAnyOperationCostsNothing(deed: Deed, aftermath: FileFault.Aftermath) async throws {
    try await onOwnThread { try failAtEveryOperation(deed, aftermath) }
  }

  private func failAtEveryOperation(_ deed: Deed, _ aftermath: FileFault.Aftermath) throws {
    let errno = aftermath == .dies ? EIO : ENOSPC
    var number = 1
    while true {
      let scene = try Scene(deed)
      let fault = FileFault(at: number, errno: errno, aftermath)
      let outcome = Result { try FileFault.$current.withValue(fault) { try scene.run(deed, in: scene.fixture.store) } }
      guard fault.operations >= number else {
        try outcome.get()
        break
      }
      let place: Comment = "\(deed), operation \(number), \(aftermath)"
      if case .failure(let error) = outcome { #expect(error is KacheryError, place) }
      // The next start finds the directory as the failure left it.
      let store = try ContentStore(directory: scene.fixture.store.directory, log: .disabled)
      try scene.expectSound(store, place)
      let isDone = try deed == .remove && store.find(scene.old) == nil
      if !isDone { try scene.run(deed, in: store) }
      try scene.expectSound(store, place)
      number += 1
    }
    #expect(number > 3, "the operation must use the disk")
  }
}

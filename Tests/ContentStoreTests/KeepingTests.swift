import ContentStore
import Crypto
import Diagnostics
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// Maintenance of a store: pins, removal, the limit, checks, listings.
@Suite struct KeepingTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  private func keep(_ size: Int, lastUsed secondsAgo: Int = 0, seed: UInt64 = 0) throws -> ContentHash {
    var random = SeededRandom(seed: seed &* 1_000_003 &+ UInt64(size))
    let receipt = try store.store(path: try folder.write("source", random.bytes(size)))
    var times = [timespec](repeating: timespec(tv_sec: time(nil) - secondsAgo, tv_nsec: 0), count: 2)
    #expect(utimensat(AT_FDCWD, fixture.path(receipt.hash), &times, 0) == 0)
    return receipt.hash
  }

  private func limit(to bytes: Int) throws {
    try folder.write("store/kachery.yaml", "maxCacheSizeGiB: \(Double(bytes) / 1_073_741_824)\n")
  }

  private func isHere(_ hash: ContentHash) throws -> Bool { try store.find(hash) != nil }

  // MARK: Removing

  @Test func whatIsRemovedRestsInTheTrashUntilThatIsEmptied() throws {
    let hash = try keep(1_000)
    #expect(try store.remove(hash) == 1_000)
    #expect(try !isHere(hash))
    #expect(try fixture.leftovers() == ["store/kachery-node/trash/\(hash)"])
    #expect(store.emptyTrash() == 1_000)
    #expect(try fixture.leftovers() == [])
    let error = #expect(throws: KacheryError.self) { try store.remove(hash) }
    #expect(error?.code == .notFound)
  }

  @Test func aPinnedFileOrOneThatIsReadIsNotRemoved() throws {
    let hash = try keep(1_000)
    #expect(try store.pin(hash))
    #expect(try !store.pin(hash))
    #expect(#expect(throws: KacheryError.self) { try store.remove(hash) }?.code == .forbidden)
    #expect(try store.unpin(hash))
    #expect(try !store.unpin(hash))
    let reader = try #require(try store.open(hash))
    #expect(#expect(throws: KacheryError.self) { try store.remove(hash) }?.code == .alreadyRunning)
    reader.close()
    #expect(try store.remove(hash) == 1_000)
  }

  @Test func removingALinkLeavesItsTarget() throws {
    let target = try folder.write("target", "abc")
    let hash = try store.link(path: target).hash
    #expect(try store.remove(hash) == 0)
    #expect(try !isHere(hash))
    #expect(try FileSystem.status(target).size == 3)
  }

  // MARK: The limit

  @Test func theLeastRecentlyUsedGoFirst() throws {
    let old = try keep(100_000, lastUsed: 50_000, seed: 1)
    let pinned = try keep(100_000, lastUsed: 90_000, seed: 2)
    let recent = try keep(100_000, lastUsed: 5_000, seed: 3)
    let fresh = try keep(100_000, lastUsed: 5, seed: 4)
    try store.pin(pinned)
    try limit(to: 350_000)
    let report = try store.collect()
    #expect(report.removed.count == 1)
    #expect(report.remaining == 300_000)
    #expect(!report.isOverLimit)
    #expect(try !isHere(old))
    #expect(try isHere(pinned) && isHere(recent) && isHere(fresh))
    // The trash is trimmed to the room that the limit leaves.
    #expect(try store.usage().trash.bytes <= 50_000)
  }

  @Test func whatIsPinnedOrJustUsedStaysEvenOverTheLimit() throws {
    let pinned = try keep(100_000, lastUsed: 90_000, seed: 1)
    let fresh = try keep(100_000, seed: 2)
    try store.pin(pinned)
    try limit(to: 1_000)
    let report = try store.collect()
    #expect(report.removed.count == 0)
    #expect(report.isOverLimit)
    #expect(try isHere(pinned) && isHere(fresh))
  }

  /// Last used at the same time: the large file is removed.
  @Test func smallerFilesAreKeptLonger() throws {
    let large = try keep(4_000_000, lastUsed: 5_000)
    let small = try keep(1_000, lastUsed: 5_000)
    try limit(to: 2_000_000)
    #expect(try store.collect().removed.count == 1)
    #expect(try !isHere(large))
    #expect(try isHere(small))
  }

  @Test func withoutALimitNothingGoesButTheTrashWhenAskedFor() throws {
    let hash = try keep(1_000, lastUsed: 1_000_000)
    let removed = try keep(2_000, lastUsed: 1_000_000)
    try store.remove(removed)
    let report = try store.collect(emptyingTrash: true)
    #expect(report.limit == nil)
    #expect(report.removed.count == 0)
    #expect(report.freed == 2_000)
    #expect(try isHere(hash))
  }

  @Test(arguments: [
    "maxCacheSizeGiB: many", "maxCacheSizeGiB: -1", "maxCacheSizeGiB: [5]",
    "maxCacheSizeGiB: 0", "maxCacheSizeGiB: [", "- 1\n- {",
  ])
  func anInvalidLimitIsRejectedAndNothingRemoved(document: String) throws {
    let hash = try keep(1_000, lastUsed: 1_000_000)
    try folder.write("store/kachery.yaml", document)
    let error = #expect(throws: KacheryError.self) { _ = try store.collect() }
    #expect(error?.code == .badConfiguration)
    #expect(try isHere(hash))
  }

  // MARK: Checking

  private func verify() throws -> (VerifyReport, [VerifyEvent]) {
    var events: [VerifyEvent] = []
    let report = try store.verify { (event) throws(KacheryError) in
      events.append(event)
      return true
    }
    return (report, events)
  }

  @Test func aDamagedFileIsSetAsideAndNeverServed() throws {
    let good = try keep(1_000)
    let bad = try keep(300_000)
    try fixture.opened(bad).write(at: 150_000, [0, 0, 0, 0, 1])
    let (report, events) = try verify()
    #expect(report.damaged == 1)
    #expect(report.checked.count == 2)
    #expect(report.checked.bytes == 301_000)
    let aside = "\(store.directory)/kachery-node/damaged/\(bad)"
    #expect(events.contains(.damaged(bad, setAside: aside)))
    #expect(try FileSystem.status(aside).size == 300_000)
    #expect(try isHere(good))
    #expect(try !isHere(bad))
    #expect(try verify().0.damaged == 0)
    #expect(store.removeDamaged() == 300_000)
  }

  @Test func brokenLinksAndForeignFilesAreReportedAndLeftAlone() throws {
    let target = try folder.write("target", "abc")
    let hash = try store.link(path: target).hash
    try folder.write("target", "abcd")
    try FileSystem.createFolder("\(store.directory)/sha1/ab", permissions: 0o755)
    try folder.write("store/sha1/ab/notes.txt", "mine")
    let (report, events) = try verify()
    #expect(report.brokenLinks == 1)
    #expect(report.foreign == 1)
    #expect(report.damaged == 0)
    #expect(events.contains(.brokenLink(hash, target: target)))
    #expect(try folder.files().contains("store/sha1/ab/notes.txt"))
  }

  @Test func aCheckCanBeGivenUpAndCanBeOfSomeFilesOnly() throws {
    let one = try keep(1_000)
    _ = try keep(2_000)
    let some = try store.verify(only: [one]) { (_) throws(KacheryError) in true }
    #expect(some.checked.count == 1)
    let early = try store.verify { (_) throws(KacheryError) in false }
    #expect(early.checked.count == 1)
  }

  @Test func aCheckOfSomeFilesSaysWhichAreNotHereAndFindsDamage() throws {
    let bad = try keep(1_000)
    let target = try folder.write("target", "abc")
    let link = try store.link(path: target).hash
    let absent = ContentHash.of([1, 2, 3])
    try fixture.opened(bad).write(at: 10, [0, 0, 0, 0, 1])
    var events: [VerifyEvent] = []
    let report = try store.verify(only: [bad, link, absent]) { (event) throws(KacheryError) in
      events.append(event)
      return true
    }
    #expect(report.checked.count == 2)
    #expect(report.damaged == 1 && report.absent == 1)
    #expect(events.contains(.absent(absent)))
    #expect(try !isHere(bad))
    #expect(try isHere(link))
  }

  /// A check reads every file, but the least recently used one must stay so.
  @Test func aCheckDoesNotCountAsAUse() throws {
    let hash = try keep(1_000, lastUsed: 1_000_000)
    let before = try FileSystem.status(fixture.path(hash))
    _ = try verify()
    #expect(try FileSystem.status(fixture.path(hash)).accessedNanoseconds == before.accessedNanoseconds)
  }

  /// A damaged file is replaced by a whole one while the check is still reading the old one.
  @Test func aWholeFileStoredMeanwhileStays() throws {
    let content = PatternBytes.make(70_000_000)
    let hash = try store.store(path: try folder.write("source", content)).hash
    try fixture.opened(hash).write(at: 1, [0, 0, 0, 0, 1])
    var hasReplaced = false
    let report = try store.verify(only: [hash]) { (_) throws(KacheryError) in
      guard !hasReplaced else { return true }
      hasReplaced = true
      try FileSystem.replace(fixture.path(hash), with: content, permissions: 0o644)
      return true
    }
    #expect(hasReplaced)
    #expect(report.damaged == 0)
    #expect(try isHere(hash))
  }

  // MARK: Listing

  @Test func aListingShowsFilesLinksAndPins() throws {
    let file = try keep(1_000, lastUsed: 100)
    let target = try folder.write("target", "abc")
    let link = try store.link(path: target).hash
    try store.pin(file)
    var listed: [ContentHash: ListedFile] = [:]
    try store.list { entry in
      listed[entry.hash] = entry
      return true
    }
    #expect(listed.count == 2)
    #expect(listed[file]?.isPinned == true)
    #expect(listed[file]?.target == nil)
    #expect(listed[link]?.target == target)
    #expect(listed[link]?.isValid == true)
    let usage = try store.usage()
    #expect(usage.files.count == 1 && usage.files.bytes == 1_000)
    #expect(usage.links.count == 1 && usage.links.bytes == 3)
    #expect(usage.pinned.bytes == 1_000)
    #expect(usage.available > 0)
  }
}

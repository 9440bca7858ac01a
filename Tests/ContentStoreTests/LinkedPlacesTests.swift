import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

@testable import ContentStore

/// Contents linked at several paths, and linked files that change unnoticed.
@Suite struct LinkedPlacesTests {
  let folder: TemporaryFolder
  let owner: NodeID
  let hash = ContentHash.of(Array("abc".utf8))

  init() throws {
    folder = try TemporaryFolder()
    owner = try #require(NodeID(hex: String(repeating: "ab", count: 32)))
  }

  private func open(withIndex: Bool = true) throws -> ContentStore {
    try ContentStore(directory: folder.path("store"), log: .disabled, indexOwner: withIndex ? owner : nil)
  }

  /// Links files with the same content under these names.
  private func link(_ names: String..., in store: ContentStore) throws {
    for name in names { #expect(try store.link(path: try folder.write(name, "abc")).hash == hash) }
  }

  private func place(_ store: ContentStore) throws -> String? {
    try store.find(hash).map { String($0.path.dropFirst(folder.path.utf8.count + 1)) }
  }

  private func remove(_ name: String) throws { try FileSystem.remove(folder.path(name)) }

  /// The names of the documents of the other paths.
  private func documents() throws -> [String] {
    try folder.files().filter { $0.hasPrefix("store/kachery-node/links/") }
  }

  // MARK: Several places

  @Test(arguments: [true, false])
  func theOtherPlaceServesWhenOneIsGone(withIndex: Bool) throws {
    let store = try open(withIndex: withIndex)
    try link("first", "second", "third", in: store)
    #expect(try place(store) == "third")
    try remove("third")
    try remove("first")
    #expect(try place(store) == "second")
    #expect(try store.open(hash)?.bytes(ByteRange(whole: 3)) == Array("abc".utf8))
    #expect(store.brokenLinkTarget(hash) == nil)
    try remove("second")
    #expect(try place(store) == nil)
    #expect(store.brokenLinkTarget(hash) == folder.path("second"))
    store.index?.close()
  }

  /// Earlier software, and clients that read the directory themselves, read only the link.
  @Test func theLinkOfTheStorageFormatLeadsToThePlaceThatServes() throws {
    let store = try open()
    try link("first", "second", in: store)
    try remove("second")
    _ = try store.find(hash)
    let path = store.path(of: hash) + ".link"
    let document = try LinkDocument(parsing: try FileSystem.read(path, limit: 1_000), path: path)
    #expect(document.path == folder.path("first"))
    #expect(document.matches(try FileSystem.status(folder.path("first"))))
    store.index?.close()
  }

  @Test func thePlacesOutlastTheIndex() throws {
    let first = try open()
    try link("first", "second", in: first)
    first.index?.close()
    for name in try FileSystem.names(in: folder.path("store/kachery-node")) where name.hasPrefix("index-") {
      try FileSystem.remove(folder.path("store/kachery-node/\(name)"))
    }
    try remove("second")
    let second = try open()
    try second.completeIndex()
    #expect(try place(second) == "first")
    second.index?.close()
  }

  /// As when its disk is temporarily not mounted.
  @Test func aPlaceThatIsAwayForAWhileCountsAgain() throws {
    let store = try open()
    try link("first", "second", in: store)
    try FileSystem.rename(folder.path("second"), to: folder.path("away"))
    #expect(try place(store) == "first")
    try FileSystem.rename(folder.path("away"), to: folder.path("second"))
    try remove("first")
    #expect(try place(store) == "second")
    store.index?.close()
  }

  @Test func onePlaceIsKeptOnceHoweverOftenItIsLinked() throws {
    let store = try open()
    for _ in 0..<3 { try link("first", "second", in: store) }
    #expect(try documents().count == 1)
    for number in 0..<100 { try link("place\(number)", in: store) }
    #expect(try documents().count == ContentStore.maximumPlaces)
    store.index?.close()
  }

  @Test(arguments: Alteration.allCases)
  func aPlaceWithOtherBytesDoesNotServe(alteration: Alteration) throws {
    let store = try open()
    try link("first", "second", "third", in: store)
    try alteration.apply(to: folder.path("second"))
    try remove("third")
    #expect(try place(store) == "first")
    store.index?.close()
  }

  /// "é" has two spellings, and a folder may contain a file for each.
  @Test func placesThatLookAlikeAreTwo() throws {
    let store = try open()
    try link("caf\u{e9}", "cafe\u{301}", in: store)
    #expect(try documents().count == 1)
    try remove("cafe\u{301}")
    let path = try #require(try store.find(hash)).path
    #expect(Array(path.utf8) == Array(folder.path("caf\u{e9}").utf8))
    store.index?.close()
  }

  @Test func listingsAndChecksKnowTheFurtherPlaces() throws {
    let store = try open()
    try link("first", "second", in: store)
    try remove("second")
    var listed: [ListedFile] = []
    try store.list { file in
      listed.append(file)
      return true
    }
    #expect(listed.count == 1)
    #expect(listed.first?.isValid == true && listed.first?.target == folder.path("first"))
    let report = try store.verify { (_) throws(KacheryError) in true }
    #expect(report.brokenLinks == 0 && report.foreign == 0)
    #expect(try place(store) == "first")
    store.index?.close()
  }

  /// A check that finds damage leaves the content linked at the path that is whole.
  @Test func aCheckSwitchesToAnIntactPath() throws {
    let store = try open()
    try link("first", "second", in: store)
    try Alteration.writtenWithOldTimes.apply(to: folder.path("second"))
    #expect(try store.verify { (_) throws(KacheryError) in true }.damaged == 1)
    #expect(try place(store) == "first")
    store.index?.close()
  }

  @Test func removingEndsTheShareAtAllPlaces() throws {
    let store = try open()
    try link("first", "second", "third", in: store)
    try store.remove(hash)
    #expect(try place(store) == nil)
    #expect(try documents() == [])
    #expect(store.emptyTrash() > 0)
    for name in ["first", "second", "third"] { #expect(try FileSystem.read(folder.path(name), limit: 9).count == 3) }
    try link("second", in: store)
    try remove("second")
    #expect(try place(store) == nil)
    store.index?.close()
  }

  /// Whatever the folder of other paths contains.
  @Test(arguments: ["", "nonsense", "[]", #"{"path":"/dev/zero","stat":{"size":0,"mtime":0}}"#])
  func damagedPlacesAreNone(document: String) throws {
    let store = try open()
    try link("first", "second", in: store)
    let name = try #require(try documents().first)
    try FileSystem.replace(folder.path(name), with: Array(document.utf8), permissions: 0o644)
    try remove("second")
    #expect(try place(store) == nil)
    store.index?.close()
  }

  // MARK: A single path that changes unnoticed

  private func code(_ body: () throws -> Void) -> KacheryError.Code? {
    do { try body() } catch { return (error as? KacheryError)?.code }
    return nil
  }

  @Test(arguments: [Alteration.writtenWithOldTimes, .replacedWithOldTimes], GivenBy.allCases)
  func aLinkedFileThatOnlyLooksTheSameIsRefused(alteration: Alteration, way: GivenBy) throws {
    for withIndex in [true, false] { try refuses(try open(withIndex: withIndex), alteration, way) }
  }

  private func refuses(_ store: ContentStore, _ alteration: Alteration, _ way: GivenBy) throws {
    try link("target", in: store)
    #expect(try way.bytes(hash, from: store) == Array("abc".utf8))
    try alteration.apply(to: folder.path("target"))
    #expect(code { _ = try way.bytes(hash, from: store) } == (way == .batch ? nil : .fileChanged))
    // Clients that read the directory themselves find no link anymore either.
    #expect(try FileSystem.statusIfPresent(store.path(of: hash) + ".link") == nil)
    #expect(try way.bytes(hash, from: store) == nil)
    #expect(store.brokenLinkTarget(hash) == folder.path("target"))
    try link("target", in: store)
    #expect(try way.bytes(hash, from: store) == Array("abc".utf8))
    #expect(store.brokenLinkTarget(hash) == nil)
    try store.remove(hash)
    store.index?.close()
  }

  @Test func aLinkedFileThatWasOnlyTouchedIsGiven() throws {
    let store = try open()
    try link("target", in: store)
    try Alteration.touch(folder.path("target"))
    #expect(try place(store) == "target")
    #expect(try !store.needsRecheck(hash, FileSystem.status(folder.path("target"))))
    store.index?.close()
  }
}

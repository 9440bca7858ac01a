import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// Links written by this software.
@Suite struct LinkingTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }
  var folder: TemporaryFolder { fixture.folder }

  init() throws { fixture = try StoreFixture() }

  @Test func aLinkedFileIsServedFromItsPath() throws {
    let bytes = PatternBytes.make(20_500_000)
    let target = try folder.write("target", bytes)
    let receipt = try store.link(path: target)
    #expect(receipt.hash == ContentHash.of(bytes))
    let found = try #require(try store.find(receipt.hash))
    #expect(found.path == target)
    #expect(found.linkedManifest == receipt.manifest)
    #expect(receipt.manifest != nil)
    #expect(try folder.files().contains { $0.hasSuffix("\(receipt.hash).link") })
    #expect(try FileSystem.statusIfPresent(fixture.path(receipt.hash)) == nil)
    #expect(try fixture.leftovers() == [])
  }

  /// In the form that older software reads.
  @Test func theDocumentIsTheStorageFormats() throws {
    let target = try folder.write("target", "abc")
    let hash = try store.link(path: target).hash
    let text = String(decoding: try FileSystem.read(fixture.path(hash) + ".link", limit: 10_000), as: UTF8.self)
    #expect(text.hasPrefix(#"{"path":"\#(target)","manifestSha1":null,"stat":{"size":3,"mtime":"#), "\(text)")
  }

  @Test func aLinkIsRefusedOnceItsTargetChangedAndMendedByLinkingAgain() throws {
    let target = try folder.write("target", "abc")
    let hash = try store.link(path: target).hash
    try folder.write("target", "abcd")
    #expect(try store.find(hash) == nil)
    #expect(store.brokenLinkTarget(hash) == target)
    try folder.write("target", "abc")
    _ = try store.link(path: target)
    #expect(try store.find(hash)?.path == target)
    #expect(store.brokenLinkTarget(hash) == nil)
  }

  @Test func onlyTheUsersRegularFilesAreLinked() throws {
    func code(_ path: String) throws -> KacheryError.Code? {
      let error = #expect(throws: KacheryError.self) { try store.link(path: path) }
      #expect(try folder.files().filter { $0.hasSuffix(".link") } == [])
      return error?.code
    }
    #expect(try code(folder.path) == .badRequest)
    #expect(try code("/dev/zero") == .badRequest)
    #expect(try code("target") == .badRequest)
    #expect(try code(folder.path("absent")) == .notFound)
    let stored = try store.store(path: try folder.write("source", "abc")).hash
    #expect(try code(fixture.path(stored)) == .badRequest)
    #expect(symlink(fixture.path(stored), folder.path("sly")) == 0)
    #expect(try code(folder.path("sly")) == .badRequest)
  }

  @Test func aFileOtherThanTheOneThatWasMeantIsRefused() throws {
    let target = try folder.write("target", "abc")
    let error = #expect(throws: KacheryError.self) { try store.link(path: target) { size, _ in size == 4 } }
    #expect(error?.code == .fileChanged)
  }

  @Test func bytesThatAreHereNeedNoLink() throws {
    let source = try folder.write("source", "abc")
    let hash = try store.store(path: source).hash
    #expect(try store.link(path: source).hash == hash)
    #expect(try folder.files().filter { $0.hasSuffix(".link") } == [])
  }

  /// A daemon that serves a group reads no file for its members that they could not read themselves.
  @Test func filesThatTheGroupMayNotReadAreNotStoredForIt() throws {
    let shared = try ContentStore(
      directory: folder.path("shared"), log: .disabled, clientScope: .group(60_606))
    let secret = try folder.write("secret", [1, 2, 3], permissions: 0o600)
    for attempt in [shared.link, { path, _ in try shared.store(path: path) }]
      as [(String, (UInt64, Double) -> Bool) throws -> StoreReceipt]
    {
      let error = #expect(throws: KacheryError.self) { _ = try attempt(secret) { _, _ in true } }
      #expect(error?.code == .permissionDenied)
    }
    // Readable by everyone, but in a folder that only the owner may enter.
    let open = try folder.write("open", [1], permissions: 0o644)
    #expect(#expect(throws: KacheryError.self) { try shared.store(path: open) }?.code == .permissionDenied)
    #expect(chmod(folder.path, 0o711) == 0)
    #expect(try shared.store(path: open).size == 1)
  }
}

import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

@testable import ContentStore

@Suite struct SmallFileTests {
  let fixture: StoreFixture
  var store: ContentStore { fixture.store }

  init() throws { fixture = try StoreFixture() }

  private func file(_ text: String) -> SmallFile {
    SmallFile(hash: .of(Array(text.utf8)), bytes: Array(text.utf8))
  }

  @Test func manyAreAdmittedTogetherAndWrongOnesAreNot() throws {
    let wrong = SmallFile(hash: .of([1]), bytes: [2])
    let files = (0..<50).map { file("file \($0)") } + [wrong, file(""), file("file 7")]
    let outcomes = store.admit(files)
    for (file, outcome) in zip(files, outcomes) where file.hash != wrong.hash {
      #expect(try outcome.get() == fixture.path(file.hash))
      #expect(try FileSystem.read(fixture.path(file.hash), limit: 100) == file.bytes)
      #expect(try FileSystem.status(fixture.path(file.hash)).permissions == 0o444)
    }
    #expect(#expect(throws: KacheryError.self) { try outcomes[50].get() }?.code == .hashMismatch)
    #expect(try store.find(wrong.hash) == nil)
    #expect(try fixture.leftovers() == [])
  }

  @Test func whatIsHereStaysAndWhatWasCutShortIsMended() throws {
    let small = file("whole")
    _ = store.admit([small])
    let before = try FileSystem.status(fixture.path(small.hash))
    #expect(try store.admit([small])[0].get() == fixture.path(small.hash))
    #expect(try FileSystem.status(fixture.path(small.hash)).isSameFile(as: before))
    try fixture.opened(small.hash).truncate(to: 2)
    _ = store.admit([small])
    #expect(try FileSystem.read(fixture.path(small.hash), limit: 100) == small.bytes)
  }

  @Test func whatWasPutIntoAFolderThatIsGoneByThenIsNotHere() throws {
    _ = store.admit([file("a")])
    let files = try store.openFolderOfFiles(0o755)
    try store.requireInPlace(files)
    try FileSystem.rename(files.path, to: "\(files.path)-before")
    #expect(throws: KacheryError.self) { try store.requireInPlace(files) }
    let next = file("b")
    #expect(try store.admit([next])[0].get() == fixture.path(next.hash))
    #expect(throws: KacheryError.self) { try store.requireInPlace(files) }
  }

  /// NFS does not support unnamed files.
  @Test func aFileSystemWithoutUnnamedFilesServesAsWell() throws {
    let files = ["a", "b"].map(file)
    let fault = FileFault(at: 1, errno: EOPNOTSUPP, .recovers)
    for _ in 0..<2 {
      let outcomes = FileFault.$current.withValue(fault) { store.admit(files) }
      for (file, outcome) in zip(files, outcomes) {
        #expect(try FileSystem.read(outcome.get(), limit: 100) == file.bytes)
        #expect(try FileSystem.status(fixture.path(file.hash)).permissions == 0o444)
      }
      #expect(try fixture.leftovers() == [])
    }
  }

  @Test func readsAreBoundedBySize() throws {
    let small = file("12345")
    _ = store.admit([small])
    guard case .bytes(let bytes) = store.readSmall(small.hash, limit: 5) else {
      Issue.record("not read")
      return
    }
    #expect(bytes == small.bytes)
    if case .tooLarge = store.readSmall(small.hash, limit: 4) {} else { Issue.record("read though too large") }
    if case .absent = store.readSmall(.of([9]), limit: 4) {} else { Issue.record("found though absent") }
  }

  /// A disk that fails at any operation: each file is whole or absent, and the next start finds no leftovers.
  @Test(arguments: [FileFault.Aftermath.recovers, .dies])
  func aFailureAtAnyOperationCostsNothing(aftermath: FileFault.Aftermath) throws {
    let files = ["a", "b"].map(file)
    var number = 1
    while true {
      let fixture = try StoreFixture()
      let fault = FileFault(at: number, errno: 5, aftermath)
      let outcomes = FileFault.$current.withValue(fault) { fixture.store.admit(files) }
      guard fault.operations >= number else {
        for outcome in outcomes { _ = try outcome.get() }
        break
      }
      let store = try ContentStore(directory: fixture.store.directory, log: .disabled)
      let report = try store.verify { (_) throws(KacheryError) in true }
      #expect(report.damaged == 0 && report.foreign == 0, "operation \(number)")
      #expect(try fixture.leftovers().filter { $0.contains("/temporary/") } == [], "operation \(number)")
      for outcome in store.admit(files) { _ = try outcome.get() }
      number += 1
    }
    #expect(number > 10)
  }
}

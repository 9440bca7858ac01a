import ContentStore
import Diagnostics
import Primitives
import TestSupport
import Testing

/// The names under which files were stored or loaded, as the index keeps them.
@Suite struct NameTests {
  let folder: TemporaryFolder
  let store: ContentStore

  init() throws {
    folder = try TemporaryFolder()
    store = try Self.open(folder)
  }

  private static func open(_ folder: TemporaryFolder) throws -> ContentStore {
    let owner = try #require(NodeID(hex: String(repeating: "cd", count: 32)))
    return try ContentStore(directory: folder.path("store"), log: .disabled, indexOwner: owner)
  }

  private func names(of hash: ContentHash, in store: ContentStore? = nil) throws -> [String] {
    var names: [String] = []
    try (store ?? self.store).list { file in
      if file.hash == hash { names = file.names }
      return true
    }
    return names
  }

  @Test func theLatestNamesAreKeptAcrossAStart() throws {
    let hash = try store.store(path: try folder.write("source", "abc")).hash
    #expect(try names(of: hash) == [])
    let index = try #require(store.index)
    for name in ["one", "zwei ✓", "", "one"] { index.note(names: [(hash, name)]) }
    #expect(try names(of: hash) == ["one", "zwei ✓"])
    index.note(names: (0..<9).map { (hash, "name \($0)") })
    #expect(try names(of: hash) == ["name 8", "name 7", "name 6", "name 5"])
    let long = String(repeating: "é", count: 200)
    index.note(names: [(hash, long)])
    #expect(try names(of: hash).first == String(repeating: "é", count: 127))
    index.close()
    let again = try Self.open(folder)
    #expect(try names(of: hash, in: again).dropFirst() == ["name 8", "name 7", "name 6"])
    again.index?.close()
  }

  @Test func aRemovedFileLeavesNoName() throws {
    let hash = try store.store(path: try folder.write("source", "abc")).hash
    store.index?.note(names: [(hash, "it")])
    #expect(store.previewRemoval([hash])["removed"]?.array?.first?["name"] == "it")
    #expect(try store.remove(hash) == 3)
    #expect(try store.store(path: folder.path("source")).hash == hash)
    #expect(try names(of: hash) == [])
    store.index?.close()
  }
}

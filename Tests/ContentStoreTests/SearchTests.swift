import ContentStore
import Diagnostics
import Primitives
import TestSupport
import Testing

/// Stored files, found by parts of their names or by the beginning of their hash.
@Suite struct SearchTests {
  let folder: TemporaryFolder
  let store: ContentStore

  init() throws {
    folder = try TemporaryFolder()
    let owner = try #require(NodeID(hex: String(repeating: "cd", count: 32)))
    store = try ContentStore(directory: folder.path("store"), log: .disabled, indexOwner: owner)
  }

  private func add(_ content: String, named name: String = "") throws -> ContentHash {
    let hash = try store.store(path: try folder.write("source \(content)", content)).hash
    if !name.isEmpty { store.index?.note(names: [(hash, name)]) }
    return hash
  }

  private func found(_ text: String, skipping: UInt64 = 0, atMost limit: UInt64 = 100) throws -> Set<String> {
    let answer = try store.search(text, skipping: skipping, atMost: limit)
    return Set((answer["files"]?.array ?? []).compactMap { $0["sha1"]?.string })
  }

  @Test func filesAreFoundByNameAndHash() throws {
    let recording = try add("one", named: "Recording_1.dat")
    let other = try add("two", named: "recordingX1.dat")
    let nameless = try add("three")
    #expect(try found("") == [recording.hex, other.hex, nameless.hex])
    #expect(try found("recording") == [recording.hex, other.hex])
    #expect(try found("_1") == [recording.hex], "no character stands for others")
    #expect(try found("100%") == [] && found("\\\\") == [])
    #expect(try found(String(nameless.hex.prefix(9))) == [nameless.hex])
    #expect(try found(nameless.hex.uppercased()) == [nameless.hex])
    #expect(try found("' OR 1=1 --") == [])
    store.index?.close()
  }

  @Test func pagesCoverEverythingOnce() throws {
    let all = Set(try (0..<7).map { try add("file \($0)").hex })
    let pages = try [0, 3, 6].map { try found("", skipping: $0, atMost: 3) }
    #expect(pages.map(\.count) == [3, 3, 1])
    #expect(pages.reduce(into: Set()) { $0.formUnion($1) } == all)
    #expect(try store.search("", skipping: 6)["total"]?.unsigned == 7)
    #expect(try found("", skipping: .max, atMost: .max) == [])
    store.index?.close()
  }

  @Test func aFileThatIsGoneIsLeftOutAndTheOthersHaveTheirURI() throws {
    let hash = try add("kept", named: "a b.dat")
    let removed = try add("removed", named: "c")
    _ = try store.remove(removed)
    let files = try #require(try store.search("")["files"]?.array)
    #expect(files.count == 1)
    #expect(files.first?["uri"]?.string == "sha1://\(hash)/a%20b.dat")
    #expect(files.first?["names"]?.array?.first == "a b.dat")
    store.index?.close()
  }
}

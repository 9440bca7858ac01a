import Files
import Primitives
import TestSupport
import Testing

@Suite struct CopyTests {
  @Test func copiesARangeToTheSamePlaceAndStopsAtTheEnd() throws {
    let folder = try TemporaryFolder()
    let bytes = PatternBytes.make(10_000)
    let source = try File(try folder.write("source", bytes), .read)
    let copy = try File(folder.path("copy"), .createNew(permissions: 0o600))
    let first = copy.copy(try #require(ByteRange(start: 4_000, end: 5_000)), of: source)
    let last = copy.copy(try #require(ByteRange(start: 9_000, end: 20_000)), of: source)
    let beyond = copy.copy(try #require(ByteRange(start: 10_000, end: 20_000)), of: source)
    #expect(first == 1_000)
    #expect(last == 1_000)
    #expect(beyond == 0)
    #expect(try copy.bytes(at: 4_000, count: 1_000) == Array(bytes[4_000..<5_000]))
    #expect(try copy.bytes(at: 9_000, count: 2_000) == Array(bytes[9_000...]))
  }

  @Test func whatCannotBeCopiedInThisWayIsLeftToTheCaller() throws {
    let folder = try TemporaryFolder()
    let source = try File(try folder.write("source", [1, 2, 3]), .read)
    let readOnly = try File(try folder.write("copy", [4]), .read)
    let range = try #require(ByteRange(start: 0, end: 3))
    #expect(readOnly.copy(range, of: source) == nil)
    source.close()
    #expect(try File(folder.path("other"), .createNew(permissions: 0o600)).copy(range, of: source) == nil)
  }
}

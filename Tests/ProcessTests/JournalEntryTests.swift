import Glibc
import TestSupport
import Testing

@testable import Process

/// The native protocol of the journal, and a socket of the test's own in its place.
@Suite struct JournalEntryTests {
  private func entry(_ fields: (String, [UInt8])...) -> JournalEntry {
    var entry = JournalEntry()
    for (name, value) in fields { entry.add(name, value) }
    return entry
  }

  @Test func aLineIsTextAndAnythingElseHasItsLength() {
    #expect(entry(("MESSAGE", Array("a = ä\t\0".utf8))).datagram == Array("MESSAGE=a = ä\t\0\n".utf8))
    #expect(entry(("X", [0xff, 0x00, 0x3d])).datagram == Array("X=".utf8) + [0xff, 0x00, 0x3d, 0x0a])
    #expect(
      entry(("A_1", Array("one\nPRIORITY=0".utf8)), ("B", [])).datagram
        == Array("A_1\n".utf8) + [14, 0, 0, 0, 0, 0, 0, 0] + Array("one\nPRIORITY=0\nB=\n".utf8))
    #expect(entry(("X", [0x0a])).datagram == Array("X\n".utf8) + [1, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0x0a])
  }

  /// The inverse of the encoder, as the journal reads it.
  private func fields(_ datagram: [UInt8]) throws -> [(name: String, value: [UInt8])] {
    var rest = datagram[...]
    var found: [(String, [UInt8])] = []
    while !rest.isEmpty {
      let end = try #require(rest.firstIndex(of: 0x0a))
      if let equals = rest[..<end].firstIndex(of: 0x3d) {
        found.append((String(decoding: rest[..<equals], as: UTF8.self), Array(rest[(equals + 1)..<end])))
        rest = rest[(end + 1)...]
      } else {
        let name = String(decoding: rest[..<end], as: UTF8.self)
        let start = end + 9
        let count = rest[(end + 1)..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
        found.append((name, Array(rest[start..<(start + count)])))
        #expect(rest[start + count] == 0x0a)
        rest = rest[(start + count + 1)...]
      }
    }
    return found
  }

  @Test func whatIsWrittenCanBeReadWhateverItIs() throws {
    var random = SeededRandom(seed: 53)
    for _ in 0..<200 {
      let written = (0..<Int.random(in: 1...5, using: &random)).map { number in
        let pool: [UInt8] = [0x0a, 0x3d, 0x00, 0x41, 0xff]
        return (
          name: "FIELD_\(number)",
          value: (0..<Int.random(in: 0...600, using: &random)).map { _ in pool[Int.random(in: 0..<5, using: &random)] }
        )
      }
      var entry = JournalEntry()
      for (name, value) in written { entry.add(name, value) }
      let read = try fields(entry.datagram)
      #expect(read.map(\.name) == written.map(\.name) && read.map(\.value) == written.map(\.value))
    }
  }

  @Test func fieldsWithOtherNamesAreLeftOut() {
    for name in ["", "_PID", "1A", "message", "A-B", "A=B", "A\nB", "Ä", String(repeating: "A", count: 65)] {
      #expect(entry((name, [0x31])).datagram == [], "\(name)")
    }
    #expect(entry((String(repeating: "A", count: 64), [0x31])).datagram.count == 67)
  }

  @Test func valuesAndEntriesAreBounded() throws {
    let size = JournalEntry.longestValue
    let long = entry(("A", Array(String(repeating: "x", count: size - 1).utf8) + Array("ä".utf8)))
    #expect(try fields(long.datagram).map(\.value.count) == [size - 1], "no half of a character")
    #expect(try fields(entry(("A", [UInt8](repeating: 0x80, count: size + 1))).datagram).map(\.value.count) == [0])
    var whole = JournalEntry()
    for number in 0..<9 { whole.add("FIELD_\(number)", [UInt8](repeating: 0x78, count: size)) }
    whole.add("LAST", "yes")
    #expect(whole.datagram.count <= JournalEntry.longestEntry)
    #expect(try fields(whole.datagram).map(\.name) == ["FIELD_0", "FIELD_1", "FIELD_2", "LAST"])
  }

  @Test func theJournalReceivesAnEntry() throws {
    let folder = try TemporaryFolder()
    let journal = try DatagramSocket(folder.path("socket"))
    var largest = JournalEntry()
    for number in 0..<3 { largest.add("FIELD_\(number)", [UInt8](repeating: 0x0a, count: JournalEntry.longestValue)) }
    for sent in [entry(("MESSAGE", Array("one\ntwo".utf8))), largest] {
      #expect(Journal.send(sent, to: folder.path("socket")))
      #expect(journal.next() == sent.datagram)
    }
  }

  /// The caller then writes the line elsewhere.
  @Test func withoutAJournalNothingIsTaken() throws {
    let folder = try TemporaryFolder()
    let some = entry(("MESSAGE", [0x31]))
    #expect(!Journal.send(some, to: folder.path("nothing")))
    #expect(!Journal.send(some, to: try folder.write("file", "")))
    #expect(!Journal.send(some, to: "/" + String(repeating: "x", count: 200)) && !Journal.send(some, to: ""))
    // One that takes nothing more at the moment is not waited for.
    let busy = try DatagramSocket(folder.path("busy"))
    var taken = 0
    while taken < 100_000, Journal.send(some, to: folder.path("busy")) { taken += 1 }
    #expect((1..<100_000).contains(taken))
    #expect(busy.next() == some.datagram)
  }
}

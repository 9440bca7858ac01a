import Primitives
import TestSupport
import Testing

@Suite struct ByteLawTests {
  /// Everything written can be read back, and every prefix of it is reported as truncated.
  @Test(arguments: UInt64(0)..<20)
  func readingUndoesWriting(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      let number = random.next()
      let bytes = random.bytes(random.number(0...40))
      let text = String(random.bytes(5).map { Character(Unicode.Scalar($0)) })
      let list = random.bytes(random.number(0...6))
      let hash = try #require(ContentHash(bytes: random.bytes(ContentHash.byteCount)))
      var writer = ByteWriter()
      writer.integer(number)
      writer.bytes(bytes)
      writer.text(text)
      writer.list(list) { $0.integer($1) }
      writer.fixed(hash)

      func read(_ written: ArraySlice<UInt8>) throws(ByteReaderError) -> Int {
        var reader = ByteReader(written)
        #expect(try reader.integer(UInt64.self) == number, "seed \(seed)")
        #expect(Array(try reader.bytes(limit: 40)) == bytes, "seed \(seed)")
        #expect(try reader.text(limit: 64) == text, "seed \(seed)")
        let values = try reader.list(limit: 6) { (reader) throws(ByteReaderError) in try reader.byte() }
        #expect(values == list, "seed \(seed)")
        #expect(try reader.fixed(ContentHash.self) == hash, "seed \(seed)")
        return reader.remaining
      }

      #expect(try read(writer.bytes[...]) == 0)
      #expect(throws: ByteReaderError.truncated) {
        try read(writer.bytes.prefix(random.number(0...writer.bytes.count - 1)))
      }
    }
  }

  @Test func aSliceIsReadFromItsOwnStart() throws {
    var reader = ByteReader([9, 9, 1, 2][2...])
    #expect(try reader.integer(UInt16.self) == 258)
    #expect(reader.remaining == 0)
    #expect(throws: ByteReaderError.truncated) { try reader.take(-1) }
  }

  @Test func hexadecimalUndoesItself() {
    var random = SeededRandom(seed: 1)
    for count in 0..<100 {
      let bytes = random.bytes(count)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes).uppercased()) == bytes)
    }
    #expect(Hex.decode("+1") == nil)
    #expect(Hex.decode("\u{0661}\u{0661}") == nil)
  }

  /// Hashes have the same order as bytes and as text.
  @Test func orderIsThatOfTheText() throws {
    var random = SeededRandom(seed: 2)
    for _ in 0..<100 {
      let left = try #require(NodeID(bytes: random.bytes(NodeID.byteCount)))
      let right = try #require(NodeID(bytes: random.bytes(NodeID.byteCount)))
      #expect((left < right) == (left.hex < right.hex))
    }
  }
}

import Primitives
import Testing

@Suite struct ValueTests {
  @Test func hex() {
    #expect(Hex.encode([0, 1, 0xab, 0xff]) == "0001abff")
    #expect(Hex.decode("0001ABff") == [0, 1, 0xab, 0xff])
    #expect(Hex.decode("0") == nil)
    #expect(Hex.decode("0g") == nil)
    #expect(Hex.decode("") == [])
  }

  @Test func fixedBytesHaveTheirLength() {
    #expect(ContentHash(bytes: [UInt8](repeating: 0, count: 19)) == nil)
    #expect(NodeID(hex: String(repeating: "a", count: 63)) == nil)
    #expect(NodeID(hex: String(repeating: "aB", count: 32))?.hex == String(repeating: "ab", count: 32))
  }

  @Test func ranges() {
    #expect(ByteRange(start: 2, end: 1) == nil)
    let whole = ByteRange(whole: 10)
    #expect(whole.count == 10)
    #expect(ByteRange(start: 3, end: 5).map { whole.contains($0) } == true)
    #expect(ByteRange(start: 3, end: 11).map { whole.contains($0) } == false)
    #expect(ByteRange(start: 9, end: 12).map { whole.overlaps($0) } == true)
    #expect(ByteRange(start: 10, end: 12).map { whole.overlaps($0) } == false)
  }

  @Test(arguments: [
    ("localhost:80", "localhost", 80), ("[::1]:8080", "::1", 8080), ("10.0.0.1:65535", "10.0.0.1", 65535),
  ])
  func endpoints(text: String, host: String, port: UInt16) {
    #expect(Endpoint(text)?.host == host)
    #expect(Endpoint(text)?.port == port)
    #expect(Endpoint(text)?.description == text)
  }

  @Test(arguments: [
    "", "localhost", ":80", "a:0", "a:65536", "::1:80", "a b:1", "a\n:1", "a:x", "a:+80", "a:-1", "a: 80", "[]:80",
    "a:",
  ])
  func wrongEndpoints(text: String) {
    #expect(Endpoint(text) == nil)
  }

  @Test func instants() {
    let start = Instant(nanoseconds: 5)
    #expect((start + .milliseconds(2)).nanoseconds == 2_000_005)
    #expect(start + .seconds(-1) == start)
    #expect((start + .seconds(3)) - start == .seconds(3))
    #expect(start - (start + .seconds(3)) == .zero)
  }

  @Test func timeStopsAtItsEnd() {
    let late = Instant(nanoseconds: .max - 5)
    #expect(late + .seconds(1) == Instant(nanoseconds: .max))
    #expect(Instant(nanoseconds: 7) + .seconds(Int64.max) == Instant(nanoseconds: .max))
    #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
    #expect(Duration.milliseconds(1_500).wholeMilliseconds == 1_500)
    #expect(Duration.milliseconds(-1).wholeMilliseconds == 0)
    #expect(Duration.milliseconds(250).inSeconds == 0.25)
    #expect(WallTime(milliseconds: .max - 1) + .seconds(1) == WallTime(milliseconds: .max))
    #expect(WallTime(milliseconds: 1) + .milliseconds(2) == WallTime(milliseconds: 3))
    #expect(Instant(nanoseconds: .max) - Instant(nanoseconds: 0) == .nanoseconds(Int64.max))
  }

  /// Possible clock readings: the kernel counts nanoseconds forward from seconds that may be before 1970.
  @Test(
    arguments: [
      (0, 0, 0), (0, 999_999_999, 999), (1, 500_000_000, 1_500), (1_700_000_000, 123_456_789, 1_700_000_000_123),
      (-1, 0, 0), (-1, 999_999_999, 0), (-86_400, 5, 0), (.min, 999_999_999, 0), (.min, .min, 0), (5, -1, 5_000),
      (0, .min, 0), (.max, 0, .max), (.max, .max, .max), (Int(UInt64.max / 1_000), 999_999_999, .max),
    ] as [(Int, Int, UInt64)])
  func wallTimes(seconds: Int, nanoseconds: Int, milliseconds: UInt64) {
    #expect(WallTime(seconds: seconds, nanoseconds: nanoseconds) == WallTime(milliseconds: milliseconds))
  }

  @Test func readerReadsWhatTheWriterWrote() throws {
    var writer = ByteWriter()
    writer.integer(UInt16(515))
    writer.text("é")
    writer.flag(true)
    writer.optional(UInt8(7)) { $0.integer($1) }
    writer.optional(UInt8?.none) { $0.integer($1) }
    writer.list([UInt32(1), 2]) { $0.integer($1) }
    var reader = ByteReader(writer.bytes)
    #expect(try reader.integer(UInt16.self) == 515)
    #expect(try reader.text(limit: 10) == "é")
    #expect(try reader.flag())
    #expect(try reader.optional { (reader) throws(ByteReaderError) in try reader.byte() } == 7)
    #expect(try reader.optional { (reader) throws(ByteReaderError) in try reader.byte() } == nil)
    let list: [UInt32] = try reader.list(limit: 2) { (reader) throws(ByteReaderError) in try reader.integer() }
    #expect(list == [1, 2])
    #expect(reader.remaining == 0)
    #expect(throws: ByteReaderError.truncated) { try reader.byte() }
  }

  @Test func readerKeepsItsLimits() {
    var writer = ByteWriter()
    writer.text("abc")
    #expect(throws: ByteReaderError.tooLong) {
      var reader = ByteReader(writer.bytes)
      _ = try reader.text(limit: 2)
    }
    #expect(throws: ByteReaderError.malformed) {
      var reader = ByteReader([0, 1, 0xff])
      _ = try reader.text(limit: 2)
    }
    #expect(throws: ByteReaderError.malformed) {
      var reader = ByteReader([2])
      _ = try reader.flag()
    }
  }
}

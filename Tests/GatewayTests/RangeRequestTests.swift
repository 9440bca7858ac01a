import Primitives
import TestSupport
import Testing

@testable import Gateway

@Suite struct RangeRequestTests {
  private static func part(_ start: UInt64, _ end: UInt64) -> RangeRequest {
    ByteRange(start: start, end: end).map { .part($0) } ?? .whole
  }

  /// Of a file of 1,000 bytes.
  @Test(
    arguments: [
      (nil, .whole), ("", .whole), ("bytes=0-0", part(0, 1)), ("bytes=0-499", part(0, 500)),
      ("bytes=500-", part(500, 1_000)), ("bytes=999-999", part(999, 1_000)), ("bytes=0-", part(0, 1_000)),
      ("bytes=990-5000", part(990, 1_000)), ("bytes=-1", part(999, 1_000)), ("bytes=-1000", part(0, 1_000)),
      ("bytes=-5000", part(0, 1_000)), ("Bytes=1-2", part(1, 3)), ("bytes= 1-2 ", part(1, 3)),
      ("bytes=1000-", .unsatisfiable), ("bytes=1000-1001", .unsatisfiable), ("bytes=-0", .unsatisfiable),
      ("bytes=18446744073709551615-", .unsatisfiable), ("bytes=99999999999999999999999-", .unsatisfiable),
      ("bytes=5-99999999999999999999999", part(5, 1_000)), ("bytes=-99999999999999999999999", part(0, 1_000)),
      // Several: the first that is there.
      ("bytes=1-2,5-6", part(1, 3)), ("bytes=2000-,5-6", part(5, 7)), ("bytes=,1-2,", part(1, 3)),
      ("bytes=2000-, -0", .unsatisfiable),
      // No ranges of bytes.
      ("bytes", .whole), ("bytes=", .whole), ("bytes=,", .whole), ("bytes=5", .whole), ("bytes=a-b", .whole),
      ("bytes=2-1", .whole), ("bytes=--1", .whole), ("bytes=+1-2", .whole), ("bytes=1-2,x", .whole),
      ("bytes=1 -2", .whole), ("items=0-1", .whole), ("bytes:0-1", .whole), ("bytes=-", .whole),
    ] as [(String?, RangeRequest)])
  func rangesAreThoseOfTheStandard(header: String?, expected: RangeRequest) {
    #expect(RangeRequest(header, size: 1_000) == expected)
  }

  @Test func anEmptyFileHasNoParts() {
    #expect(RangeRequest("bytes=0-", size: 0) == .unsatisfiable && RangeRequest("bytes=-5", size: 0) == .whole)
    #expect(RangeRequest(nil, size: 0) == .whole)
  }

  @Test func theLargestFileHasALastByte() {
    let size = Limits.maximumFileSize
    #expect(RangeRequest("bytes=-1", size: size) == Self.part(size - 1, size))
    #expect(RangeRequest("bytes=0-18446744073709551615", size: size) == Self.part(0, size))
  }

  @Test func longListsAreIgnored() {
    let list = Array(repeating: "0-0", count: 10_000).joined(separator: ",")
    #expect(RangeRequest("bytes=\(list)", size: 10) == .whole)
  }

  @Test(arguments: 0..<20) func mutatedHeadersStayInsideTheFile(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let headers = ["bytes=0-99,500-, -7", "bytes=18446744073709551615-18446744073709551615", "bytes=12-34"]
    for round in 0..<300 {
      let header = String(decoding: random.mutated(Array(headers[round % headers.count].utf8)), as: UTF8.self)
      let size = UInt64(random.number(0...200))
      guard case .part(let range) = RangeRequest(header, size: size) else { continue }
      #expect(!range.isEmpty && range.end <= size, "seed \(seed): \(header.debugDescription)")
    }
  }
}

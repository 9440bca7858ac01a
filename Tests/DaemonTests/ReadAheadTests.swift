import Primitives
import Testing

@testable import Daemon

/// Blocks read into memory before they are needed.
@Suite struct ReadAheadTests {
  private static let block: UInt64 = 256 << 10

  /// Requests every block from `start` to `end`; returns the ranges read ahead, and after how many bytes.
  private func named(
    _ ahead: inout ReadAhead, from start: UInt64, to end: UInt64, wanted: UInt64
  ) throws -> [(after: UInt64, range: ByteRange)] {
    var named: [(after: UInt64, range: ByteRange)] = []
    for offset in stride(from: start, to: end, by: Int(Self.block)) {
      let needed = try #require(ByteRange(start: offset, end: min(offset + Self.block, end)))
      if let next = ahead.next(needing: needed, before: wanted) { named.append((needed.end, next)) }
    }
    return named
  }

  @Test(arguments: [1, 255 << 10, 256 << 10, 257 << 10, 3 << 20, (10 << 20) + 17] as [UInt64])
  func everythingAfterTheFirstBlockIsNamedOnceAndInTime(size: UInt64) throws {
    var ahead = ReadAhead()
    let named = try named(&ahead, from: 0, to: size, wanted: size)
    var reached = min(Self.block, size)
    for (after, range) in named {
      #expect(range.start == reached, "in order, without a gap")
      #expect(range.count <= ReadAhead.step)
      #expect(range.end <= after + ReadAhead.depth, "never further ahead than said")
      reached = range.end
    }
    #expect(reached == size)
  }

  @Test func itGetsAsFarAheadAsItMay() throws {
    var ahead = ReadAhead()
    let named = try named(&ahead, from: 0, to: 2 << 20, wanted: 1 << 30)
    let last = try #require(named.last)
    #expect(last.range.end > last.after + ReadAhead.depth - ReadAhead.step)
  }

  @Test func unwantedBlocksAreNotReadAhead() throws {
    var ahead = ReadAhead()
    #expect(try named(&ahead, from: 5 << 20, to: (5 << 20) + Self.block, wanted: (5 << 20) + Self.block).isEmpty)
    #expect(try named(&ahead, from: 0, to: Self.block, wanted: 0).isEmpty)
  }

  @Test func aJumpRestartsReadingAhead() throws {
    var ahead = ReadAhead()
    _ = try named(&ahead, from: 0, to: 1 << 20, wanted: 100 << 20)
    let named = try named(&ahead, from: 50 << 20, to: 51 << 20, wanted: 100 << 20)
    #expect(named.first?.range.start == (50 << 20) + Self.block)
    #expect(named.allSatisfy { $0.range.start > 50 << 20 })
  }
}

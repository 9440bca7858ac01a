import Primitives
import Testing

@testable import EventLoop

/// `ReadPace`: how much is read from a connection at a time.
@Suite struct ReadPaceTests {
  private static let largest = 256 << 10

  @Test func bulkDataIsReadInLargePieces() {
    var pace = ReadPace(largest: Self.largest)
    for turn in 0..<100 {
      let mustWait = pace.handled(Self.largest, within: .microseconds(300), turn: UInt64(turn))
      #expect(!mustWait && pace.size == Self.largest)
    }
  }

  /// Small messages that take a microsecond for each byte.
  @Test func whatTakesLongIsReadInSmallPieces() {
    var pace = ReadPace(largest: Self.largest)
    var longest: Duration = .zero
    for turn in 0..<100 {
      var spent: Duration = .zero
      while spent < .seconds(1) {
        let time: Duration = .microseconds(pace.size)
        spent += time
        if pace.handled(pace.size, within: time, turn: UInt64(turn)) { break }
      }
      if turn > 0 { longest = max(longest, spent) }
    }
    #expect(longest < .milliseconds(8), "\(longest)")
  }

  @Test func itGrowsAgain() {
    var pace = ReadPace(largest: Self.largest)
    let mustWait = pace.handled(Self.largest, within: .seconds(1), turn: 1)
    #expect(mustWait)
    let small = pace.size
    #expect(small < 4 << 10)
    for turn in 2..<20 { _ = pace.handled(pace.size, within: .microseconds(10), turn: UInt64(turn)) }
    #expect(pace.size == Self.largest)
    // Less than there was room for: more room would change nothing.
    _ = pace.handled(Self.largest, within: .seconds(1), turn: 20)
    for turn in 21..<40 { _ = pace.handled(100, within: .microseconds(10), turn: UInt64(turn)) }
    #expect(pace.size == small)
  }
}

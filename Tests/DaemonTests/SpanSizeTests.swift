import Primitives
import Testing

@testable import Daemon

/// How far ahead a lane is asked.
@Suite struct SpanSizeTests {
  private let roundTrip = Duration.milliseconds(50)

  @Test func aLaneThatStillGrowsIsNeverAskedForLessThanAtFirst() {
    let atFirst = SpanSize.ahead(rate: nil, growth: 0, roundTripTime: roundTrip)
    for arrived: UInt64 in [0, 1_000, 100_000, 1 << 20] {
      #expect(SpanSize.ahead(rate: 10_000, growth: arrived, roundTripTime: roundTrip) >= atFirst)
    }
  }

  @Test func whatIsAskedOfAGrowingLaneGrowsWithItWithinABound() {
    let ahead = (0...24).map { SpanSize.ahead(rate: 10_000, growth: 1 << $0, roundTripTime: roundTrip) }
    #expect(zip(ahead, ahead.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(ahead[21] == 4 << 20)
    #expect(ahead.last == 2 * SpanSize.most)
  }

  @Test func aSlowLaneIsAskedForLittleOnceItsRateIsKnown() {
    #expect(SpanSize.ahead(rate: 10_000, growth: nil, roundTripTime: roundTrip) == 2 * SpanSize.least)
  }

  @Test func aFastLaneAlwaysHasSomethingToSend() {
    #expect(SpanSize.ahead(rate: 100e6, growth: nil, roundTripTime: roundTrip) >= 10_000_000)
  }
}

import Primitives
import Testing

@testable import Links

/// The round trip that pings measure.
@Suite struct PingClockTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test func theRoundTripIsThatOfTheOldestPing() {
    var clock = PingClock()
    #expect(clock.roundTripTime == nil)
    clock.sent(1, at: start)
    clock.sent(2, at: start + .seconds(3))
    clock.answered(2, at: start + .seconds(3))
    #expect(clock.roundTripTime == nil, "the first answer is still due")
    clock.answered(1, at: start + .seconds(4))
    #expect(clock.roundTripTime == .seconds(4))
    clock.answered(1, at: start + .seconds(9))
    #expect(clock.roundTripTime == .seconds(4))
    clock.sent(3, at: start + .seconds(10))
    clock.answered(3, at: start + .seconds(10) + .milliseconds(7))
    #expect(clock.roundTripTime == .milliseconds(7))
  }

  @Test func theShortestOfTheLastEightShowsThePathWithoutQueues() {
    var clock = PingClock()
    #expect(clock.shortest == nil)
    for (number, milliseconds) in [50, 40, 900, 800, 700, 600, 500, 400, 300, 200].enumerated() {
      let sent = start + .seconds(number)
      clock.sent(UInt32(number), at: sent)
      clock.answered(UInt32(number), at: sent + .milliseconds(milliseconds))
      #expect(clock.shortest == .milliseconds([50, 40, 40, 40, 40, 40, 40, 40, 40, 200][number]))
    }
    #expect(clock.roundTripTime == .milliseconds(40), "late answers do not make the path longer")
  }
}

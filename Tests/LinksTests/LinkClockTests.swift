import Primitives
import Testing

@testable import Links

/// Detecting that a link's peer is gone.
@Suite struct LinkClockTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// Checks every period from one period after `start` on; returns when the peer counts as gone.
  private func end(of clock: inout LinkClock, from start: Instant, for periods: Int = 100) -> Duration? {
    for period in 1...periods {
      let now = start + LinkClock.pingPeriod * period
      if clock.check(at: now) != nil { return now - start }
    }
    return nil
  }

  @Test func aPeerThatSaysNothingIsGoneAfterTwelveSeconds() {
    var clock = LinkClock(at: start)
    #expect(end(of: &clock, from: start) == .seconds(12))
    #expect(clock.check(at: start + .seconds(14)) == .seconds(14))
  }

  @Test(arguments: [1, 2_999, 3_000, 8_999]) func anyMessagePostponesTheEnd(milliseconds: Int) {
    var clock = LinkClock(at: start)
    clock.heard(at: start + .milliseconds(milliseconds))
    let end = end(of: &clock, from: start)
    #expect(end.map { $0 >= .milliseconds(milliseconds) + LinkClock.silence } == true)
    #expect(end.map { $0 < .milliseconds(milliseconds) + LinkClock.silence + LinkClock.pingPeriod } == true)
  }

  @Test func aPeerThatAnswersStaysForever() {
    var clock = LinkClock(at: start)
    for period in 1...1_000 {
      let now = start + LinkClock.pingPeriod * period
      #expect(clock.check(at: now) == nil)
      clock.heard(at: now + .milliseconds(50))
    }
  }

  /// A machine that sleeps or is overloaded receives nothing for a while; that is not silence of the other side.
  @Test(arguments: [7, 14, 3_600, 1_000_000]) func timeInWhichThisProcessStoodStillDoesNotCount(seconds: Int) {
    var clock = LinkClock(at: start)
    let woken = start + .seconds(seconds)
    #expect(clock.check(at: woken) == nil)
    // Three of the twelve seconds are over, and now the rest elapses.
    #expect(end(of: &clock, from: woken) == .seconds(9))
  }

  /// A timer that fires somewhat late does not mean that the process was stopped.
  @Test func lateChecksAreNoExcuse() {
    var clock = LinkClock(at: start)
    #expect(clock.check(at: start + .seconds(6)) == nil)
    #expect(clock.check(at: start + .seconds(12)) == .seconds(12))
  }

  @Test func theRoundTripIsThatOfTheOldestPing() {
    var clock = LinkClock(at: start)
    #expect(clock.roundTripTime == nil)
    clock.pinged(1, at: start)
    clock.pinged(2, at: start + .seconds(3))
    clock.answered(2, at: start + .seconds(3))
    #expect(clock.roundTripTime == nil, "the first is still due")
    clock.answered(1, at: start + .seconds(4))
    #expect(clock.roundTripTime == .seconds(4))
    clock.answered(1, at: start + .seconds(9))
    #expect(clock.roundTripTime == .seconds(4))
    clock.pinged(3, at: start + .seconds(10))
    clock.answered(3, at: start + .seconds(10) + .milliseconds(7))
    #expect(clock.roundTripTime == .milliseconds(7))
  }

  @Test func clocksThatStandStillOrGoBackAreHarmless() {
    var clock = LinkClock(at: start)
    #expect(clock.check(at: start) == nil)
    #expect(clock.check(at: Instant(nanoseconds: 0)) == nil)
    #expect(clock.check(at: start) == nil)
  }
}

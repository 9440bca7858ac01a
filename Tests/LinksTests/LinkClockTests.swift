import Primitives
import Testing

@testable import Links

/// When a peer that sends nothing counts as gone.
@Suite struct LinkClockTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// Checks once a period after `start`; returns the time until the peer counts as gone.
  private func end(of clock: inout LinkClock, from start: Instant, for periods: Int = 100) -> Duration? {
    for period in 1...periods {
      let now = start + LinkClock.pingPeriod * period
      if clock.check(at: now) != nil { return now - start }
    }
    return nil
  }

  @Test func aSilentPeerIsGoneAfterTwelveSeconds() {
    var clock = LinkClock(at: start)
    #expect(end(of: &clock, from: start) == .seconds(12))
    #expect(clock.check(at: start + .seconds(14)) == .seconds(14))
  }

  @Test(arguments: [1, 2_999, 3_000, 8_999]) func bytesRestartTheTwelveSeconds(milliseconds: Int) {
    var clock = LinkClock(at: start)
    clock.heard(at: start + .milliseconds(milliseconds))
    let end = end(of: &clock, from: start)
    #expect(end.map { $0 >= .milliseconds(milliseconds) + LinkClock.silence } == true)
    #expect(end.map { $0 < .milliseconds(milliseconds) + LinkClock.silence + LinkClock.pingPeriod } == true)
  }

  @Test func aPeerThatAnswersIsNeverGone() {
    var clock = LinkClock(at: start)
    for period in 1...1_000 {
      let now = start + LinkClock.pingPeriod * period
      #expect(clock.check(at: now) == nil)
      clock.heard(at: now + .milliseconds(50))
    }
  }

  /// A machine that sleeps or is overloaded reads nothing for a while, whatever the peer sends.
  @Test(arguments: [7, 14, 3_600, 1_000_000]) func timeInWhichThisProcessWasSuspendedDoesNotCount(seconds: Int) {
    var clock = LinkClock(at: start)
    let woken = start + .seconds(seconds)
    #expect(clock.check(at: woken) == nil)
    // One period had passed before the suspension; the remaining nine seconds count from now.
    #expect(end(of: &clock, from: woken) == .seconds(9))
  }

  /// A timer may fire a little late in a process that was never suspended.
  @Test func aLateCheckIsNoSuspension() {
    var clock = LinkClock(at: start)
    #expect(clock.check(at: start + .seconds(6)) == nil)
    #expect(clock.check(at: start + .seconds(12)) == .seconds(12))
  }

  /// The time of the last byte is read at each check, also when it is older than the clock's own.
  @Test func anOlderSignOfLifeChangesNothing() {
    var clock = LinkClock(at: start)
    #expect(clock.check(at: start + .seconds(14)) == nil)
    clock.heard(at: start)
    #expect(end(of: &clock, from: start + .seconds(14)) == .seconds(9))
  }

  @Test func clocksThatStopOrGoBackAreHarmless() {
    var clock = LinkClock(at: start)
    #expect(clock.check(at: start) == nil)
    #expect(clock.check(at: Instant(nanoseconds: 0)) == nil)
    #expect(clock.check(at: start) == nil)
  }
}

import EventLoop
import Primitives
import Testing

@testable import Links

/// When a path counts as silent, and when a peer counts as gone.
@Suite struct LinkClockTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// A link on simulated time, which is checked whenever its clock asks for it.
  private struct Watched {
    var clock: LinkClock
    var now: Instant
    var heardAt: Instant
    var isAwaited = true
    var roundTrip: Duration? = .milliseconds(50)
    var delivery: DeliveryState?
    var pings: [Instant] = []
    /// The times at which the path became silent or was heard again.
    var changes: [(isSilent: Bool, at: Instant)] = []
    var losesLargePackets = false
    var goneAt: Instant?

    init(at now: Instant) {
      clock = LinkClock(at: now)
      (self.now, heardAt) = (now, now)
      clock.watch(at: now)
    }

    /// Runs for this long. `each` is called before each check, with the time of the check.
    mutating func run(_ time: Duration, _ each: (inout Watched) -> Void = { _ in }) {
      let end = now + time
      while now + clock.period <= end, goneAt == nil {
        now = now + clock.period
        each(&self)
        check()
      }
    }

    mutating func check() {
      let step = clock.check(
        LinkClock.Observation(
          now: now, heardAt: heardAt, isAwaited: isAwaited, roundTripTime: roundTrip, delivery: delivery))
      if step.isPingDue { pings.append(now) }
      if let isSilent = step.silence { changes.append((isSilent, now)) }
      if step.losesLargePackets { losesLargePackets = true }
      if step.gone != nil { goneAt = now }
    }

    /// Something has just arrived.
    mutating func hear() { heardAt = now }
  }

  // MARK: Silence

  @Test(arguments: [nil, 0, 50, 250]) func anAnswerIsOverdueAfterTwoSeconds(roundTrip: Int?) {
    var link = Watched(at: start)
    link.roundTrip = roundTrip.map { .milliseconds($0) }
    link.run(.seconds(5))
    #expect(link.changes.map(\.isSilent) == [true])
    #expect(link.changes.first?.at == start + .seconds(2))
    #expect(!link.losesLargePackets, "nothing is known about what the peer acknowledged")
  }

  @Test(arguments: [(300, 2_500), (500, 4_000), (2_000, 6_000)])
  func onLongPathsAnswersMayTakeEightRoundTrips(milliseconds: Int, limit: Int) {
    var link = Watched(at: start)
    link.roundTrip = .milliseconds(milliseconds)
    link.run(.seconds(10))
    #expect(link.changes.first?.at == start + .milliseconds(limit))
  }

  /// Bytes arrive until the path dies in the middle of a transfer.
  @Test func theLastByteCountsInTheMiddleOfATransfer() {
    var link = Watched(at: start)
    link.run(.seconds(10)) { $0.hear() }
    #expect(link.changes.isEmpty)
    link.run(.seconds(3))
    #expect(link.changes.first?.at == start + .seconds(12))
  }

  @Test func anyByteEndsTheSilence() {
    var link = Watched(at: start)
    link.run(.seconds(4))
    link.hear()
    link.run(.seconds(1))
    #expect(link.changes.map(\.isSilent) == [true, false])
    link.run(.seconds(3))
    #expect(link.changes.map(\.isSilent) == [true, false, true])
  }

  /// A slow disk: the peer answers pings, and has nothing to send for an hour.
  @Test func aPeerThatAnswersPingsIsNotSilent() {
    var link = Watched(at: start)
    link.run(.seconds(3_600)) { link in
      if let ping = link.pings.last, ping > link.heardAt { link.heardAt = ping + .milliseconds(50) }
    }
    #expect(link.changes.isEmpty && link.goneAt == nil)
    #expect(abs(link.pings.count - 3_600) < 20, "once a second")
  }

  @Test func anIdleLinkIsPingedEveryThreeSecondsAndIsNeverSilent() {
    var link = Watched(at: start)
    link.isAwaited = false
    link.run(.seconds(10))
    #expect(link.changes.isEmpty)
    #expect((3...4).contains(link.pings.count))
    #expect(link.clock.period == LinkClock.pingPeriod)
  }

  /// Work that begins in the middle of a long silence of an idle link gives the peer its full time.
  @Test func theTimeBeforeTheWorkDoesNotCount() {
    var link = Watched(at: start)
    link.isAwaited = false
    link.run(.seconds(7))
    link.isAwaited = true
    link.clock.watch(at: link.now)
    let begun = link.now
    link.run(.seconds(4))
    #expect(link.changes.first?.at == begun + .seconds(2))
  }

  @Test func aSilentLinkWithoutWorkIsStillWatched() {
    var link = Watched(at: start)
    link.run(.seconds(3))
    link.isAwaited = false
    link.run(.seconds(1))
    link.hear()
    link.run(LinkClock.watchPeriod)
    #expect(link.changes.map(\.isSilent) == [true, false])
    link.run(.seconds(3))
    #expect(link.clock.period == LinkClock.pingPeriod)
  }

  /// Each turn of a busy loop takes longer than the time in which an answer is due.
  @Test(arguments: [1_100, 2_500, 60_000]) func aBusyLoopIsNoSilentPeer(milliseconds: Int) {
    var link = Watched(at: start)
    for _ in 0..<100 {
      link.now = link.now + .milliseconds(milliseconds)
      link.check()
      // Read after the check, in the same turn.
      link.hear()
    }
    #expect(link.changes.isEmpty && link.goneAt == nil)
  }

  @Test func aSuspendedProcessNoticesSilenceOnlyAfterItHasListened() {
    var link = Watched(at: start)
    link.run(.seconds(1))
    link.now = link.now + .seconds(3_600)
    link.check()
    #expect(link.changes.isEmpty)
    link.run(.milliseconds(500))
    #expect(link.changes.isEmpty)
    link.run(.seconds(1))
    #expect(link.changes.map(\.isSilent) == [true])
  }

  // MARK: What the peer acknowledges

  /// An upload over a slow line: the ping waits behind megabytes, which arrive one after another.
  @Test func bytesThatArriveAtThePeerAreASignOfLife() {
    var link = Watched(at: start)
    var delivery = DeliveryState(acknowledged: 0, unacknowledged: 4 << 20)
    link.run(.seconds(9)) { link in
      delivery.acknowledged += 10_000
      link.delivery = delivery
    }
    #expect(link.changes.isEmpty)
    link.run(.seconds(2))
    #expect(link.changes.map(\.isSilent) == [true], "nothing more is acknowledged")
    #expect(!link.losesLargePackets, "nothing passes")
  }

  /// The receiver of a file: the peer's kernel acknowledges its pings, and the file's packets are lost.
  @Test func acknowledgedPingsWithoutAnswersMeanLostLargePackets() {
    var link = Watched(at: start)
    link.run(.seconds(5)) { link in
      link.delivery = DeliveryState(acknowledged: UInt64(link.pings.count * 50), unacknowledged: 0)
    }
    #expect(link.changes.first?.at == start + .seconds(2))
    #expect(link.losesLargePackets)
  }

  /// The sender of a file: it hears the peer's pings, and the kernel sends the same bytes again and again.
  @Test func stuckBytesWhileThePeerIsHeardMeanLostLargePackets() {
    var link = Watched(at: start)
    link.run(.seconds(5)) { link in
      link.hear()
      link.delivery = DeliveryState(acknowledged: 7, unacknowledged: 1 << 20, timeouts: 3)
    }
    #expect(link.changes.map(\.isSilent) == [true], "the pings do not end it")
    #expect(link.losesLargePackets)
    link.run(.seconds(1)) { link in
      link.hear()
      link.delivery?.acknowledged += 1_000
    }
    #expect(link.changes.map(\.isSilent) == [true, false])
  }

  /// A message that fits no packet, on a link that carries nothing else: nothing is asked of the kernel at first.
  @Test func theKernelIsAskedOnceAnAnswerIsLate() {
    var link = Watched(at: start)
    link.run(.seconds(5)) { link in
      link.delivery =
        link.clock.needsDelivery ? DeliveryState(acknowledged: UInt64(link.pings.count), unacknowledged: 0) : nil
    }
    #expect(link.changes.first?.at == start + .seconds(2))
    #expect(link.losesLargePackets)
  }

  /// A peer that reads nothing: the kernel waits for its window and repeats nothing.
  @Test func aPeerThatIsHeardAndDoesNotReadIsNotSilent() {
    var link = Watched(at: start)
    link.run(.seconds(60)) { link in
      link.hear()
      link.delivery = DeliveryState(acknowledged: 7, unacknowledged: 1 << 20)
    }
    #expect(link.changes.isEmpty)
  }

  @Test func aDeadLineLosesAllPackets() {
    var link = Watched(at: start)
    link.run(.seconds(5)) { link in
      link.delivery = DeliveryState(acknowledged: 7, unacknowledged: 1 << 20, timeouts: 4)
    }
    #expect(link.changes.map(\.isSilent) == [true])
    #expect(!link.losesLargePackets)
  }

  // MARK: The end

  @Test(arguments: [true, false]) func aPeerThatSendsNothingIsGoneAfterTwelveSeconds(isAwaited: Bool) {
    var link = Watched(at: start)
    link.isAwaited = isAwaited
    link.run(.seconds(60))
    let end = try? #require(link.goneAt) - start
    #expect(end.map { $0 >= LinkClock.silence && $0 < LinkClock.silence + LinkClock.pingPeriod } == true)
  }

  @Test(arguments: [1, 2_999, 3_000, 8_999]) func bytesRestartTheTwelveSeconds(milliseconds: Int) {
    var link = Watched(at: start)
    link.isAwaited = false
    let heard = start + .milliseconds(milliseconds)
    link.run(.seconds(60)) { link in if link.now >= heard { link.heardAt = heard } }
    let end = try? #require(link.goneAt) - heard
    #expect(end.map { $0 >= LinkClock.silence && $0 < LinkClock.silence + LinkClock.pingPeriod } == true)
  }

  /// A machine that sleeps or is overloaded reads nothing for a while, whatever the peer sends.
  @Test(arguments: [7, 14, 3_600, 1_000_000]) func timeInWhichThisProcessWasSuspendedDoesNotEndALink(seconds: Int) {
    var link = Watched(at: start)
    link.isAwaited = false
    link.run(LinkClock.watchPeriod)
    link.now = link.now + .seconds(seconds)
    link.check()
    let woken = link.now
    link.run(.seconds(60))
    let end = try? #require(link.goneAt) - woken
    #expect(end.map { $0 >= .seconds(6) && $0 <= .seconds(12) } == true)
  }

  @Test func clocksThatStopOrGoBackAreHarmless() {
    var link = Watched(at: start)
    link.check()
    link.now = Instant(nanoseconds: 0)
    link.check()
    link.now = start
    link.check()
    #expect(link.changes.isEmpty && link.goneAt == nil)
  }
}

import Primitives
import TestSupport
import Testing

@testable import Discovery

@Suite struct DialScheduleTests {
  private let start = Instant(nanoseconds: 0)
  private let target: DialTarget
  private let (one, two): (Address, Address)

  init() throws {
    let endpoint = try #require(Endpoint("one:1"))
    one = .tcp(endpoint)
    two = try #require(Address("two:2"))
    target = .bootstrap(endpoint)
  }

  private func dialed(_ actions: [DialSchedule.Action]) -> [Address] {
    actions.compactMap { if case .dial(_, let address, _) = $0 { address } else { nil } }
  }

  private func attempt(_ actions: [DialSchedule.Action]) throws -> DialID {
    guard case .dial(let id, _, _) = try #require(actions.first) else { throw WrongAction() }
    return id
  }

  struct WrongAction: Error {}

  @Test func addressesAreRacedWithHeadStarts() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 1))
    schedule.want(target, at: [one, two], now: start)
    check(dialed(schedule.wake(now: start)) == [one])
    check(dialed(schedule.wake(now: start)) == [])
    let second = start + DialSchedule.headStart
    #expect(schedule.wakeAt == second)
    let actions = schedule.wake(now: second)
    #expect(dialed(actions) == [two])
    // The winner ends the race.
    check(schedule.linked(target, except: try attempt(actions)).count == 1)
    #expect(schedule.wakeAt == nil)
    #expect(!schedule.isBusy)
  }

  /// A node's less likely addresses may be of no use in any case.
  @Test func theProblemIsThatOfTheMostLikelyAddress() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 1))
    schedule.want(target, at: [one, two], now: start)
    var now = start
    for reason in ["first", "second"] {
      for address in [one, two] {
        now = try #require(schedule.wakeAt)
        let id = try attempt(schedule.wake(now: now))
        schedule.failed(id, DialProblem(address: address, reason: reason), now: now)
      }
      #expect(schedule.problem(with: target) == DialProblem(address: one, reason: reason))
    }
  }

  @Test func afterFailuresThePauseDoublesUpToALimit() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 2))
    schedule.want(target, at: [one], now: start)
    var now = start
    var pauses: [Duration] = []
    for _ in 0..<12 {
      let id = try attempt(schedule.wake(now: now))
      schedule.failed(id, now: now)
      let next = try #require(schedule.wakeAt)
      pauses.append(next - now)
      now = next
    }
    #expect(pauses[0] >= DialSchedule.firstPause * 0.75 && pauses[0] <= DialSchedule.firstPause * 1.25)
    #expect(pauses[11] >= DialSchedule.longestPause * 0.75 && pauses[11] <= DialSchedule.longestPause * 1.25)
    #expect(pauses[3] > pauses[0])
  }

  @Test func aFailedAddressIsFollowedByTheNextImmediately() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 3))
    schedule.want(target, at: [one, two], now: start)
    schedule.failed(try attempt(schedule.wake(now: start)), now: start)
    check(dialed(schedule.wake(now: start)) == [two])
  }

  @Test func whatIsForgottenIsCancelled() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 4))
    schedule.want(target, at: [one], now: start)
    let id = try attempt(schedule.wake(now: start))
    check(schedule.forget(target) == [.cancel(id)])
    #expect(schedule.target(of: id) == nil)
    #expect(schedule.wakeAt == nil)
    schedule.failed(id, now: start)
    #expect(schedule.wakeAt == nil)
  }

  @Test func aNewAddressIsTriedImmediately() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 5))
    schedule.want(target, at: [one], now: start)
    schedule.failed(try attempt(schedule.wake(now: start)), now: start)
    schedule.want(target, at: [two], now: start)
    check(dialed(schedule.wake(now: start)) == [two])
  }

  /// Two nodes that cannot agree do not dial each other every second.
  @Test func linksThatEndSoonCountAsFailures() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 6))
    schedule.want(target, at: [one], now: start)
    var now = start
    for _ in 0..<8 {
      let id = try attempt(schedule.wake(now: now))
      _ = schedule.linked(target, except: id)
      schedule.lost(target, after: .milliseconds(10), now: now)
      now = try #require(schedule.wakeAt)
    }
    #expect(now - start > .seconds(60))
    _ = schedule.linked(target)
    schedule.lost(target, after: .seconds(600), now: now)
    #expect(try #require(schedule.wakeAt) - now < .seconds(2))
  }

  @Test func aTargetWhoseLinkIsSilentIsDialedEverySecond() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 8))
    schedule.want(target, at: [one, two], now: start)
    _ = schedule.linked(target)
    #expect(schedule.wakeAt == nil)
    schedule.silent(target, now: start)
    var now = start
    var dials = 0
    var cancelled: [DialID] = []
    while let next = schedule.wakeAt, next <= start + .seconds(20) {
      now = next
      for action in schedule.wake(now: now) {
        switch action {
        case .dial: dials += 1
        case .cancel(let id): cancelled.append(id)
        }
      }
    }
    // Two addresses each second, although none of them answers or fails.
    #expect((24...40).contains(dials), "\(dials)")
    #expect(dials - cancelled.count == DialSchedule.maximumConcurrentAttempts)
    #expect(Set(cancelled).count == cancelled.count)
    check(schedule.linked(target).count == DialSchedule.maximumConcurrentAttempts)
    #expect(schedule.wakeAt == nil)
  }

  @Test func onceTheSilentLinkIsLostThePausesGrowAgain() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 9))
    schedule.want(target, at: [one], now: start)
    _ = schedule.linked(target)
    schedule.silent(target, now: start)
    let first = try attempt(schedule.wake(now: start))
    schedule.lost(target, after: .seconds(600), now: start)
    #expect(schedule.wakeAt == nil, "the attempt is running")
    schedule.failed(first, now: start)
    #expect(try #require(schedule.wakeAt) - start > .milliseconds(1_500))
  }

  @Test func anAddressThatBecomesKnownIsNotKeptWaitingByOthers() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 11))
    schedule.want(target, at: [one], now: start)
    check(dialed(schedule.wake(now: start)) == [one])
    #expect(schedule.wakeAt == nil)
    schedule.want(target, at: [one, two], now: start)
    check(dialed(schedule.wake(now: start)) == [two])
    // Whoever announces ever more addresses does not make this node dial more of them concurrently.
    var now = start
    var dials = 0
    for number in 3...100 {
      schedule.want(target, at: [.tcp(try #require(Endpoint("host\(number):1")))], now: now)
      dials += dialed(schedule.wake(now: now)).count
      now = now + DialSchedule.headStart
    }
    #expect(dials == DialSchedule.maximumConcurrentAttempts - 2)
  }

  /// A link through a relay is used while a target's own addresses are still dialed, ever more rarely.
  @Test func aTargetThatIsLinkedThroughARelayIsStillDialed() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 10))
    let relay = Address.relay(.filled(with: 1))
    schedule.want(target, at: [one, relay, two], now: start)
    let direct = try attempt(schedule.wake(now: start))
    var now = start + DialSchedule.headStart
    let relayed = try attempt(schedule.wake(now: now))
    #expect(schedule.isBusy)
    check(schedule.relayed(target, except: relayed, now: now).isEmpty)
    #expect(!schedule.isBusy, "a first link is not expected anymore")
    now = now + DialSchedule.headStart
    let last = try attempt(schedule.wake(now: now))
    schedule.failed(direct, now: now)
    schedule.failed(last, now: now)
    var rounds: [Duration] = []
    for _ in 0..<4 {
      let begun = now
      now = try #require(schedule.wakeAt)
      rounds.append(now - begun)
      for address in [one, two] {
        let actions = schedule.wake(now: now)
        #expect(dialed(actions) == [address])
        schedule.failed(try attempt(actions), now: now)
      }
    }
    for (round, pause) in zip(rounds, DialSchedule.relayedPauses + [.seconds(600)]) {
      #expect(round >= pause * 0.75 && round <= pause * 1.25, "\(rounds)")
    }
    now = try #require(schedule.wakeAt)
    let winner = try attempt(schedule.wake(now: now))
    check(schedule.linked(target, except: winner).isEmpty)
    #expect(schedule.wakeAt == nil)
    // The direct link is lost; the relayed one is still up.
    check(schedule.relayed(target, now: now).isEmpty)
    #expect(try #require(schedule.wakeAt) - now < .seconds(2))
  }

  @Test(arguments: [true, false])
  func anAnnouncedAddressIsDialedOnce(_ answers: Bool) throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 10))
    let nearby = DialTarget.nearby(try #require(Endpoint("one:1")))
    schedule.want(nearby, at: [one], now: start)
    let actions = schedule.wake(now: start)
    let id = try attempt(actions)
    check(actions == [.dial(id, one, expected: nil)])
    #expect(schedule.countDialedOnce == 1 && schedule.isBusy)
    if answers {
      #expect(schedule.target(of: id) == nearby)
      check(schedule.linked(nearby, except: id) == [])
    } else {
      schedule.failed(id, DialProblem(address: one, reason: "no answer"), now: start)
    }
    schedule.lost(nearby, after: .seconds(100), now: start)
    schedule.silent(nearby, now: start)
    #expect(schedule.wakeAt == nil && !schedule.isBusy && schedule.keepsItsDeadlines)
    #expect(schedule.wanted == [] && schedule.countDialedOnce == 0)
    // A later announcement leads to another attempt.
    schedule.want(nearby, at: [one], now: start)
    check(dialed(schedule.wake(now: start)) == [one])
  }

  /// `#expect` does not allow a mutation inside it.
  private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
  }

  /// Anything in any order: what is kept about each target is what a walk over all targets finds.
  @Test(arguments: 0..<100 as Range<UInt64>)
  func theNextDeadlineIsTheEarliestOfAll(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var schedule = DialSchedule(random: SeededRandom(seed: seed))
    let targets = try (0..<8).map { number -> DialTarget in
      let endpoint = try #require(Endpoint("host\(number):1"))
      return number < 6 ? .bootstrap(endpoint) : .nearby(endpoint)
    }
    var attempts: [DialID] = []
    var now = start
    for step in 0..<200 {
      let target = targets[random.number(0...7)]
      switch random.number(0...9) {
      case 0:
        let addresses = [one, two, .relay(.filled(with: 1)), one].prefix(random.number(0...4))
        schedule.want(target, at: Array(addresses), now: now)
      case 1: _ = schedule.forget(target)
      case 2: _ = schedule.linked(target, except: attempts.randomElement(using: &random))
      case 3: schedule.lost(target, after: .seconds(random.number(0...60)), now: now)
      case 4: if let attempt = attempts.randomElement(using: &random) { schedule.failed(attempt, now: now) }
      case 5: now = now + .milliseconds(random.number(0...500))
      case 6: schedule.silent(target, now: now)
      case 8: _ = schedule.quiet(target, now: now)
      case 7: _ = schedule.relayed(target, except: attempts.randomElement(using: &random), now: now)
      default:
        now = max(now, schedule.wakeAt ?? now)
        for case .dial(let id, _, _) in schedule.wake(now: now) { attempts.append(id) }
      }
      #expect(schedule.keepsItsDeadlines, "seed \(seed), step \(step)")
    }
  }
}

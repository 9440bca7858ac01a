import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Links

/// The decisions of a round, under a simulated clock.
@Suite struct PunchAttemptTests {
  private static let small: NodeID = .filled(with: 1)
  private static let large: NodeID = .filled(with: 2)
  private static let start = Instant(nanoseconds: 5_000_000_000)

  /// The round as the controlling node or the other one sees it.
  private static func round(isControlling: Bool = true, candidates count: Int = 1, number: UInt8 = 1) -> PunchRound {
    PunchRound(
      peer: isControlling ? large : small, session: 77, number: number, isControlling: isControlling,
      key: [UInt8](repeating: 9, count: 32),
      candidates: (0..<count).compactMap { Endpoint(host: "192.0.2.1", port: UInt16(1_000 + $0)) })
  }

  private static func attempt(
    isControlling: Bool = true, candidates count: Int = 1, seed: UInt64 = 1, at start: Instant = start
  ) -> PunchAttempt {
    PunchAttempt(
      round(isControlling: isControlling, candidates: count), own: isControlling ? small : large,
      random: SeededRandom(seed: seed), at: start)
  }

  /// What the other node sends to the controlling one, or the reverse.
  private static func bytes(_ kind: PunchPreamble.Kind, toControlling: Bool = true, clock: UInt64 = 1) -> [UInt8] {
    PunchPreamble(kind, clock: clock).encoded(
      in: round(isControlling: !toControlling), from: toControlling ? large : small)
  }

  private static func steps(_ attempt: inout PunchAttempt) -> [PunchAttempt.Step] {
    var steps: [PunchAttempt.Step] = []
    while let step = attempt.nextStep() { steps.append(step) }
    return steps
  }

  /// The names of steps, for comparison.
  private static func names(_ attempt: inout PunchAttempt) -> [String] {
    steps(&attempt).map { step in
      switch step {
      case .dial(let number, let endpoint): "dial \(number) \(endpoint.port)"
      case .abandon(let number): "abandon \(number)"
      case .keep(let number): "keep \(number)"
      case .send(let number, let bytes): "send \(number) \(bytes[4] == 3 ? "chosen" : "preamble")"
      case .reset(let number): "reset \(number)"
      case .adopt(let number, let rest): "adopt \(number) \(rest)"
      case .fail: "fail"
      }
    }
  }

  @Test func theControllingNodeChoosesTheFirstRightConnection() {
    var attempt = Self.attempt(candidates: 3)
    #expect(Self.names(&attempt) == ["dial 1 1000", "dial 2 1001", "dial 3 1002"])
    attempt.opened(1, at: Self.start)
    attempt.opened(2, at: Self.start)
    #expect(Self.names(&attempt) == ["send 1 preamble", "send 2 preamble"])
    attempt.received(Self.bytes(.preamble) + [22, 3], on: 2, at: Self.start)
    #expect(Self.names(&attempt) == ["send 2 chosen", "adopt 2 [22, 3]", "abandon 3", "reset 1"])
    #expect(attempt.isOver && attempt.wakeAt == nil)
    attempt.received([1], on: 1, at: Self.start)
    attempt.ended(1, at: Self.start)
    attempt.wake(at: Self.start + .seconds(5))
    #expect(Self.names(&attempt) == [])
  }

  @Test(arguments: [1, 5, 96]) func theOtherNodeWaitsForTheChoice(piece: Int) {
    var attempt = Self.attempt(isControlling: false)
    _ = Self.steps(&attempt)
    attempt.opened(1, at: Self.start)
    #expect(Self.names(&attempt) == ["send 1 preamble"])
    let bytes =
      Self.bytes(.preamble, toControlling: false) + Self.bytes(.chosen, toControlling: false, clock: 2)
    for index in stride(from: 0, to: bytes.count, by: piece) {
      #expect(Self.names(&attempt) == [])
      attempt.received(bytes[index..<min(index + piece, bytes.count)], on: 1, at: Self.start)
    }
    #expect(Self.names(&attempt) == ["adopt 1 []"])
  }

  @Test func aConnectionThatTheOtherNodeHasOpenedCounts() {
    var attempt = Self.attempt()
    #expect(attempt.claims(Self.bytes(.preamble) + [1, 2, 3]))
    #expect(!attempt.claims(Self.bytes(.chosen)))
    #expect(!attempt.claims(Self.bytes(.preamble, toControlling: false)))
    #expect(!attempt.claims([]))
    let number = attempt.accepted(Self.bytes(.preamble), at: Self.start)
    #expect(number == 2)
    #expect(
      Self.names(&attempt) == ["dial 1 1000", "send 2 preamble", "send 2 chosen", "adopt 2 []", "abandon 1"])
    #expect(!attempt.claims(Self.bytes(.preamble)))
    #expect(attempt.accepted(Self.bytes(.preamble, clock: 3), at: Self.start) == 3)
    #expect(Self.names(&attempt) == ["reset 3"])
  }

  /// When the addresses of an attempt are dialed that refuse each dial after a round trip.
  private static func dials(_ attempt: inout PunchAttempt, roundTrip: Duration) -> [Instant] {
    var dials: [Instant] = []
    var refusals: [(at: Instant, dial: Int)] = []
    var now = start
    while true {
      for step in steps(&attempt) {
        guard case .dial(let number, _) = step else { continue }
        dials.append(now)
        refusals.append((now + roundTrip, number))
      }
      guard let wakeAt = attempt.wakeAt else { return dials }
      if let next = refusals.first, next.at <= wakeAt {
        now = refusals.removeFirst().at
        attempt.failed(next.dial, .refused, at: now)
      } else {
        now = wakeAt
        attempt.wake(at: now)
      }
    }
  }

  @Test(arguments: [0, 1, 50]) func whatRefusesIsDialedAgain(roundTrip: Int) {
    for (candidates, most) in [
      (1, 1 + PunchAttempt.maximumRepetitions), (16, 16 + PunchAttempt.maximumRepetitionsInAll),
    ] {
      var attempt = Self.attempt(candidates: candidates)
      let times = Self.dials(&attempt, roundTrip: .milliseconds(roundTrip))
      #expect(roundTrip == 50 ? times.count > candidates * 6 : times.count == most)
      #expect(times.count <= most)
      #expect(times.allSatisfy { $0 < Self.start + PunchAttempt.dialingTime })
      #expect(attempt.isOver)
    }
  }

  /// Two routers that refuse let a connection open if the dials of the two nodes cross. Here the second node begins so
  /// late that those of the first do not, unless it is by chance.
  @Test(arguments: [(1, 3), (2, 3), (2, 30), (10, 30), (50, 30)]) func dialsThatMissEachOtherMeetLater(
    roundTrip: Int, lateness: Int
  ) {
    let way = Duration.microseconds(roundTrip * 500)
    let met = (0..<100 as Range<UInt64>).count { seed in
      var (one, other) = (Self.attempt(seed: seed), Self.attempt(isControlling: false, seed: seed + 1_000))
      let times = Self.dials(&one, roundTrip: way * 2)
      let others = Self.dials(&other, roundTrip: way * 2).map { $0 + .milliseconds(lateness) }
      return times.contains { time in others.contains { max(time, $0) - min(time, $0) < way } }
    }
    #expect(met >= 95)
  }

  @Test func otherErrorsEndTheCandidate() {
    var attempt = Self.attempt(candidates: 2)
    _ = Self.steps(&attempt)
    attempt.failed(1, .unreachable("no route"), at: Self.start)
    #expect(attempt.wakeAt == Self.start + PunchAttempt.dialingTime)
    attempt.failed(2, .taken, at: Self.start)
    #expect(attempt.wakeAt == Self.start + PunchAttempt.takenPause)
    attempt.wake(at: Self.start + PunchAttempt.takenPause)
    #expect(Self.names(&attempt) == ["dial 3 1001"])
  }

  @Test func connectionsInTheirPreambleAreKeptASecondMore() {
    var attempt = Self.attempt(candidates: 2)
    _ = Self.steps(&attempt)
    attempt.opened(1, at: Self.start + .milliseconds(900))
    _ = Self.steps(&attempt)
    attempt.wake(at: Self.start + PunchAttempt.dialingTime)
    #expect(Self.names(&attempt) == ["keep 2"])
    #expect(!attempt.isOver && attempt.wakeAt == Self.start + .seconds(2))
    var other = attempt
    attempt.received(Self.bytes(.preamble), on: 1, at: Self.start + .milliseconds(1_900))
    #expect(Self.names(&attempt) == ["send 1 chosen", "adopt 1 []"])
    other.wake(at: Self.start + .seconds(2))
    #expect(Self.names(&other) == ["reset 1", "fail"])
  }

  @Test func theEndOfTheLastConnectionEndsARoundThatOnlyWaits() {
    var attempt = Self.attempt()
    _ = Self.steps(&attempt)
    attempt.opened(1, at: Self.start)
    attempt.wake(at: Self.start + PunchAttempt.dialingTime)
    _ = Self.steps(&attempt)
    attempt.ended(1, at: Self.start + .milliseconds(1_100))
    #expect(Self.names(&attempt) == ["fail"])
  }

  @Test func wrongAnswersAreDropped() {
    let wrong: [[UInt8]] = [
      Self.bytes(.chosen), Self.bytes(.preamble, toControlling: false), [UInt8](repeating: 0, count: 48),
      PunchPreamble(.preamble, clock: 1).encoded(in: Self.round(isControlling: false, number: 2), from: Self.large),
      Array("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".utf8),
    ]
    for bytes in wrong {
      var attempt = Self.attempt()
      _ = Self.steps(&attempt)
      attempt.opened(1, at: Self.start)
      _ = Self.steps(&attempt)
      attempt.received(bytes, on: 1, at: Self.start)
      #expect(Self.names(&attempt) == ["reset 1"])
      // Whatever else is at that address is not dialed again.
      #expect(attempt.wakeAt == Self.start + PunchAttempt.dialingTime)
    }
  }

  /// Only the node that is to be reached can have made a preamble, but anyone on the way can repeat it.
  @Test func aRepeatedPreambleIsDropped() {
    var attempt = Self.attempt(isControlling: false)
    _ = Self.steps(&attempt)
    let preamble = Self.bytes(.preamble, toControlling: false)
    #expect(attempt.accepted(preamble, at: Self.start) == 2)
    #expect(Self.names(&attempt) == ["send 2 preamble"])
    #expect(attempt.accepted(preamble, at: Self.start) == 3)
    #expect(Self.names(&attempt) == ["send 3 preamble", "reset 3"])
  }

  @Test func connectionsAreBounded() {
    var attempt = Self.attempt(isControlling: false)
    _ = Self.steps(&attempt)
    for clock in 1...100 as ClosedRange<UInt64> {
      _ = attempt.accepted(Self.bytes(.preamble, toControlling: false, clock: clock), at: Self.start)
    }
    let steps = Self.steps(&attempt)
    #expect(steps.count { if case .send = $0 { true } else { false } } == PunchAttempt.maximumPaths)
    #expect(steps.count { if case .reset = $0 { true } else { false } } == 100 - PunchAttempt.maximumPaths)
  }

  @Test func aCancelledRoundLeavesItsDialsAndReportsNothing() {
    var attempt = Self.attempt(candidates: 20)
    #expect(Self.steps(&attempt).count == PunchAttempt.maximumCandidates)
    attempt.opened(3, at: Self.start)
    _ = Self.steps(&attempt)
    attempt.cancel()
    attempt.cancel()
    let names = Self.names(&attempt)
    #expect(names == (1...16).filter { $0 != 3 }.map { "keep \($0)" } + ["reset 3"])
    attempt.opened(4, at: Self.start)
    #expect(Self.names(&attempt) == ["reset 4"])
  }

  // MARK: Two nodes

  /// Two attempts and what connects them, in any order: dials that arrive, cross, are refused or lost.
  @Test(arguments: 0..<300 as Range<UInt64>) func bothNodesAgree(seed: UInt64) throws {
    var world = PunchWorld(seed: seed)
    world.run()
    #expect(world.adopted.values.allSatisfy { $0.count <= 1 })
    #expect(world.attempts.values.allSatisfy { $0.isOver }, "seed \(seed)")
    #expect(world.dialCount <= 2 * 16 * (1 + PunchAttempt.maximumRepetitions))
    let (one, other) = (world.adopted[true] ?? [], world.adopted[false] ?? [])
    // The other node never uses a connection that the controlling one has not chosen.
    if let used = other.first { #expect(one == [used], "seed \(seed)") }
    if world.isKind { #expect(one.count == 1 && one == other, "seed \(seed)") }
  }
}

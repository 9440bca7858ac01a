import Primitives
import TestSupport
import Testing
import Traversal
import Wire

/// The messages of a session, its rests, and what the other node can make of it.
@Suite struct SessionTests {
  private func names(_ end: ReachPair.End) -> [String] {
    end.sent.map { message in
      switch message {
      case .reach(let reach): reach.session == 0 ? "reach 0" : "reach"
      case .punch(let punch): "punch \(punch.round)"
      case .punchStart(let start): "start \(start.round)"
      case .punchEnd(let end): "\(end.outcome)"
      default: "?"
      }
    }
  }

  private func seen(_ host: String, _ port: UInt16) throws -> Candidate {
    let address = try #require(IPAddress(host))
    return try #require(Candidate(.seen, address, port: port))
  }

  private func pair(_ kinds: [NATKind], seed: UInt64 = 1) -> ReachPair {
    let pair = ReachPair(kinds, seed: seed)
    pair.meet()
    return pair
  }

  /// Both begin at the same time, and have one session.
  @Test func twoThatBeginHaveOneSession() throws {
    let pair = pair([.port, .port])
    defer { pair.dismantle() }
    pair.run(for: .seconds(5))
    #expect(names(pair.ends[0]) == ["reach", "start 1", "won"])
    #expect(names(pair.ends[1]) == ["reach 0", "reach"])
    let rounds = try pair.ends.map { try #require($0.rounds.first) }
    #expect(rounds[0].session == rounds[1].session && rounds[0].key == rounds[1].key)
    #expect(rounds[0].isControlling && !rounds[1].isControlling)
    #expect(rounds.allSatisfy { $0.number == 1 })
  }

  /// The controlling node needs no answer to know the other one's candidates and, if it was measured, the round trip.
  @Test(arguments: [0, 60, 1_000]) func aKnownRoundTripSavesAnAnswer(knownAfter: Int) {
    let pair = ReachPair([.port, .port], seed: 1)
    defer { pair.dismantle() }
    pair.meet(isLinking: false)
    let known = min(knownAfter, 120)
    pair.knowsRoundTrip = knownAfter == 0
    pair.linkByRelay()
    _ = pair.clock.run(for: .milliseconds(known))
    pair.knowsRoundTrip = knownAfter < 1_000
    pair.want(0)
    // The other one's candidates are there after 50 ms, and its answer after 100 ms.
    let start = knownAfter < 1_000 ? max(known, 50) + 50 : 150
    _ = pair.clock.run(for: .milliseconds(start - known - 1))
    #expect(pair.ends.map(\.rounds.count) == [0, 0])
    _ = pair.clock.run(for: .milliseconds(2))
    #expect(pair.ends.map(\.rounds.count) == [1, 1])
    pair.run(for: .seconds(3))
    #expect(pair.isConnected)
  }

  @Test(arguments: [0, 1]) func oneAloneCanBegin(number: Int) {
    let pair = ReachPair([.port, .rst], seed: 2)
    defer { pair.dismantle() }
    pair.meet(isLinking: false)
    pair.want(number)
    pair.run(for: .seconds(3))
    #expect(pair.isConnected)
  }

  /// Three rounds, and rests of 10 s, 1 min and then 10 min, varied by a quarter.
  @Test func restsGrow() {
    let pair = pair([.nosim, .nosim])
    defer { pair.dismantle() }
    _ = pair.clock.run(for: .seconds(5))
    #expect(names(pair.ends[0]) == ["reach", "start 1", "punch 2", "start 2", "punch 3", "start 3", "failed"])
    #expect(pair.ends.allSatisfy { $0.rounds.map(\.number) == [1, 2, 3] })
    for (seconds, sessions) in [(15, 2), (80, 3), (500, 3), (300, 4), (3_600, 9)] {
      _ = pair.clock.run(for: .seconds(seconds))
      let begun = names(pair.ends[0]).count { $0 == "start 1" }
      #expect(sessions == 9 ? (7...13).contains(begun) : begun == sessions, "after \(seconds) s: \(begun)")
    }
  }

  /// The controlled node begins 30 ms later in the second round, and 30 ms earlier in the third.
  @Test func laterRoundsShiftTheStart() {
    #expect(PunchScheduleTimes.shift(1) == 0)
    #expect(PunchScheduleTimes.shift(2) == 30)
    #expect(PunchScheduleTimes.shift(3) == -30)
  }

  /// A peer that never answers costs a message now and then.
  @Test func silenceEndsTheQuestion() {
    let pair = ReachPair([.port, .port], seed: 3)
    defer { pair.dismantle() }
    pair.ends[1].isMuted = true
    pair.meet()
    _ = pair.clock.run(for: .seconds(100))
    #expect(pair.ends[0].rounds.isEmpty)
    #expect((2...4).contains(pair.ends[0].sent.count))
    pair.ends[1].isMuted = false
    pair.run(for: .seconds(800))
    #expect(pair.isConnected)
  }

  /// A change of address ends a rest.
  @Test func newCandidatesAreTriedImmediately() throws {
    let pair = pair([.nosim, .nosim])
    defer { pair.dismantle() }
    // Long enough for the budget, and shorter than the rest.
    _ = pair.clock.run(for: .milliseconds(10_600))
    let before = pair.ends[0].rounds.count
    var outside = OutsideView()
    let endpoint = try #require(Endpoint("203.0.113.77:9"))
    _ = outside.record(endpoint, by: .filled(with: 100))
    pair.input(0) {
      $0.setOwn(OwnSide(outside: outside, port: ReachPair.port, interfaces: [], networks: []), at: $1)
    }
    _ = pair.clock.run(for: .milliseconds(250))
    #expect(before == 3)
    #expect(pair.ends[0].rounds.count == before + 1)
  }

  /// A link that is lost is tried again: immediately if it has lasted, otherwise after a rest.
  @Test(arguments: [(5, false), (40, true)]) func aLostLinkIsTriedAgain(life: Int, isImmediate: Bool) {
    let pair = pair([.port, .cgnat])
    defer { pair.dismantle() }
    pair.run(for: .seconds(5))
    #expect(pair.isConnected)
    _ = pair.clock.run(for: .seconds(life))
    for end in pair.ends {
      end.connections.first?.socket.close()
      end.connections = []
    }
    pair.linkByRelay()
    pair.run(for: .seconds(3))
    #expect(pair.isConnected == isImmediate)
    pair.run(for: .seconds(15))
    #expect(pair.isConnected)
  }

  // MARK: Hostile peers

  /// Messages for which there is no session, or for an old round, have no effect.
  @Test func messagesOutOfPlaceAreIgnored() {
    let pair = ReachPair([.port, .port], seed: 4)
    defer { pair.dismantle() }
    pair.ends[1].isMuted = true
    pair.meet()
    let session = UInt32(77)
    for message: ControlMessage in [
      .punchStart(PunchStart(session: 0, round: 1)), .punchStart(PunchStart(session: session, round: 1)),
      .punch(Punch(session: session, round: 2, candidates: [])), .punchEnd(PunchEnd(session: session, round: 1, .won)),
    ] {
      for number in 0...1 { pair.deliver(message, to: number) }
      _ = pair.clock.run(for: .seconds(2))
    }
    #expect(pair.ends.allSatisfy { $0.rounds.isEmpty })
  }

  /// A node that claims the other role starts nothing.
  @Test func theSmallerIDControls() {
    let pair = ReachPair([.port, .port], seed: 5)
    defer { pair.dismantle() }
    pair.ends[1].isMuted = true
    pair.meet()
    pair.deliver(.reach(Reach(session: 9, tcp: .kept, candidates: [])), to: 0)
    pair.deliver(.punchStart(PunchStart(session: 9, round: 1)), to: 0)
    _ = pair.clock.run(for: .seconds(2))
    #expect(pair.ends[0].rounds.isEmpty)
  }

  /// New sessions and rounds all the time: no more than the budget is dialed, and answers stay few.
  @Test func aFloodCostsNoMoreThanTheBudget() throws {
    let pair = ReachPair([.port, .port], seed: 6)
    defer { pair.dismantle() }
    pair.ends[0].isMuted = true
    pair.meet()
    let victim = try (0..<16).map {
      try seen("203.0.113.1", 2_000 + $0)
    }
    var session = UInt32(1)
    for _ in 0..<6_000 {
      session += 1
      pair.deliver(.reach(Reach(session: session, tcp: .kept, candidates: victim)), to: 1)
      pair.deliver(.punchStart(PunchStart(session: session, round: 1)), to: 1)
      _ = pair.clock.run(for: .milliseconds(100))
    }
    #expect((1...10).contains(pair.ends[1].rounds.count))
    #expect(pair.ends[1].rounds.allSatisfy { $0.candidates.count <= 16 })
    #expect(pair.ends[1].sent.count <= 2 * 10 * 600 + 10, "an answer, or a refusal, for each message that is handled")
  }

  /// Only hosts that the relay has seen are dialed.
  @Test func noOneIsSentToAVictim() throws {
    let pair = ReachPair([.port, .port], seed: 8)
    defer { pair.dismantle() }
    pair.ends[0].isMuted = true
    pair.meet()
    let texts = [
      "8.8.8.8", "127.0.0.1", "10.0.0.1", "224.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db8::3", "203.0.113.2",
    ]
    let candidates = try texts.map { try seen($0, 5_000) }
    let low = try seen("203.0.113.1", 22)
    let good = try seen("203.0.113.1", 5_000)
    pair.deliver(.reach(Reach(session: 5, tcp: .kept, candidates: candidates + [low, good, good])), to: 1)
    pair.deliver(.punchStart(PunchStart(session: 5, round: 1)), to: 1)
    _ = pair.clock.run(for: .seconds(1))
    let round = try #require(pair.ends[1].rounds.first)
    #expect(round.candidates.map(\.description) == ["[2001:db8::1]:5000", "[2001:db8::2]:5000", "203.0.113.1:5000"])
  }
}

import Primitives
import TestSupport
import Testing
import Wire

@testable import Traversal

/// A round over UDP, and what can be done to it from outside.
@Suite struct ProbeRoundTests {
  private static let start = Instant(nanoseconds: 3_600_000_000_000)
  private static let nodes: [NodeID] = [.filled(with: 1), .filled(with: 2)]
  private static let key = Array(0..<32 as Range<UInt8>)

  private static func round(of number: Int, key: [UInt8] = key) -> PunchRound {
    PunchRound(
      peer: nodes[1 - number], session: 77, number: 1, isControlling: number == 0, key: key, candidates: [])
  }

  private struct End {
    var round: ProbeRound
    var clock = ProbeClock()
    let place: Endpoint

    mutating func receive(_ bytes: [UInt8], from sender: Endpoint, at now: Instant = start) -> [ProbeRound.Step] {
      let route = ProbeRound.Route(endpoint: sender, source: nil)
      return Probe(bytes).map { round.received($0, bytes, by: route, &clock, at: now) } ?? []
    }

    mutating func wake(at now: Instant) -> [ProbeRound.Step] { round.wake(&clock, at: now) }
  }

  private let places: [Endpoint]
  private let stranger: Endpoint

  init() throws {
    places = try ["203.0.113.1:4000", "203.0.113.2:5000"].map { try #require(Endpoint($0)) }
    stranger = try #require(Endpoint("198.51.100.66:6666"))
  }

  private func end(_ number: Int, patience: Duration = .zero) -> End {
    End(
      round: ProbeRound(
        Self.round(of: number), own: Self.nodes[number], candidates: [places[1 - number]], from: Self.start,
        patience: patience), place: places[number])
  }

  private func way(to endpoint: Endpoint) -> ProbeRound.Route { ProbeRound.Route(endpoint: endpoint, source: nil) }

  private func datagrams(_ steps: [ProbeRound.Step]) -> [ProbeDatagram] {
    steps.compactMap { if case .send(let datagram) = $0 { datagram } else { nil } }
  }

  @Test func threeDatagramsProveAWay() throws {
    var (one, two) = (end(0), end(1))
    let probe = try #require(datagrams(one.wake(at: Self.start)).first)
    #expect(probe.endpoint == places[1])
    let answer = try #require(datagrams(two.receive(probe.bytes, from: places[0])).first)
    let confirmation = try #require(datagrams(one.receive(answer.bytes, from: places[1])).first)
    #expect(two.receive(confirmation.bytes, from: places[0]) == [])
    #expect(one.wake(at: Self.start) == [.dial(way(to: places[1]))])
    // The other end waits for the connection.
    #expect(two.round.wakeAt == nil && two.round.hasMet(places[0]))
    #expect([probe, answer, confirmation].allSatisfy { $0.bytes.count == 48 })
  }

  /// It may come from somewhere else than any candidate says: from a NAT with a port for each destination.
  @Test func anUnknownPlaceIsAnsweredWhereItIs() throws {
    var (one, two) = (end(0), end(1))
    let probe = try #require(datagrams(two.wake(at: Self.start)).first)
    let elsewhere = try #require(Endpoint("203.0.113.2:5999"))
    let answer = try #require(datagrams(one.receive(probe.bytes, from: elsewhere)).first)
    #expect(answer.endpoint == elsewhere)
    let confirmation = try #require(datagrams(two.receive(answer.bytes, from: places[0])).first)
    #expect(one.receive(confirmation.bytes, from: elsewhere) == [])
    #expect(one.wake(at: Self.start) == [.dial(way(to: elsewhere))])
  }

  @Test func tcpGetsItsTurnFirst() throws {
    var (one, two) = (end(0, patience: ProbeRound.patience), end(1))
    let probe = try #require(datagrams(two.wake(at: Self.start)).first)
    let answer = try #require(datagrams(one.receive(probe.bytes, from: places[1])).first)
    let confirmation = try #require(datagrams(two.receive(answer.bytes, from: places[0])).first)
    _ = one.receive(confirmation.bytes, from: places[1])
    #expect(one.round.wakeAt == Self.start + ProbeRound.patience)
    var impatient = one
    impatient.round.hurry(at: Self.start)
    #expect(impatient.wake(at: Self.start) == [.dial(way(to: places[1]))])
    #expect(one.wake(at: Self.start + ProbeRound.patience) == [.dial(way(to: places[1]))])
  }

  @Test func withoutAnswersItEnds() {
    var one = end(0)
    var sent = 0
    var now = Self.start
    while let next = one.round.wakeAt {
      now = next
      let steps = one.wake(at: now)
      sent += datagrams(steps).count
      if steps == [.fail] { break }
    }
    #expect(sent == 20)
    #expect(now == Self.start + ProbeRound.probingTime + ProbeRound.waitingTime)
    #expect(one.round.wakeAt == nil)
  }

  /// Whoever repeats a datagram, from the same or another place, gets nothing; and whoever redirects one gets one answer
  /// of the same length.
  @Test func repeatedAndRedirectedDatagramsAreWorthless() throws {
    var (one, two) = (end(0), end(1))
    let probe = try #require(datagrams(one.wake(at: Self.start)).first)
    let answers = datagrams(two.receive(probe.bytes, from: stranger))
    #expect(answers.map(\.bytes.count) == [48])
    for place in [stranger, places[0]] { #expect(two.receive(probe.bytes, from: place) == []) }
    // The node itself did not send it there, so it proves nothing.
    let answer = try #require(answers.first)
    #expect(one.receive(answer.bytes, from: stranger) == [])
    #expect(one.round.wakeAt != nil && one.wake(at: Self.start + .milliseconds(50)) != [.dial(way(to: stranger))])
  }

  /// One's own datagrams sent back, those of another key, session or round, and any with a changed bit.
  @Test func forgedDatagramsGetNoAnswer() throws {
    var (one, two) = (end(0), end(1))
    let probe = try #require(datagrams(one.wake(at: Self.start)).first)
    #expect(one.receive(probe.bytes, from: places[1]) == [])
    for bit in 0..<probe.bytes.count * 8 {
      var forged = probe.bytes
      forged[bit / 8] ^= 1 << (bit % 8)
      #expect(two.receive(forged, from: places[0]) == [], "bit \(bit)")
    }
    let other = Probe(.probe, round: 2, session: 77, clock: 5).encoded(with: Self.key, from: Self.nodes[0])
    #expect(two.receive(other, from: places[0]) == [])
    let confirmation = Probe(.confirmation, round: 1, session: 77, clock: 6, echo: 1)
    #expect(one.receive(confirmation.encoded(with: Self.key, from: Self.nodes[1]), from: stranger) == [])
    #expect(one.wake(at: Self.start + .milliseconds(50)) != [.dial(way(to: stranger))])
    #expect(two.receive(probe.bytes, from: places[0]).count == 1)
  }

  /// The other node itself can make this one send no more than it has sent, and no more than a fixed number.
  @Test func theOtherNodeIsBounded() {
    var two = end(1)
    let answers = (0..<2_000 as Range<UInt64>).map { number in
      let bytes = Probe(.probe, round: 1, session: 77, clock: number).encoded(with: Self.key, from: Self.nodes[0])
      return two.receive(bytes, from: stranger).count
    }
    #expect(answers.reduce(0, +) == ProbeRound.maximumHeard)
  }

  /// Sessions that strangers do not know cost a look into a table, and those that they do a bounded number of digests.
  @Test func roundsAreFoundByTheirSessions() throws {
    var rounds = ProbeRounds(of: Self.nodes[1], random: SeededRandom(seed: 1))
    rounds.begin(
      Self.round(of: 1), PunchTargets(udp: [places[0]]), from: Self.start, patience: .zero, at: Self.start)
    let right = Probe(.probe, round: 1, session: 77, clock: 1).encoded(with: Self.key, from: Self.nodes[0])
    let other = Probe(.probe, round: 1, session: 78, clock: 1).encoded(with: Self.key, from: Self.nodes[0])
    func receive(_ bytes: [UInt8]) throws -> [ProbeRounds.Request] {
      rounds.received(try #require(Probe(bytes)), bytes, by: way(to: places[0]), at: Self.start)
    }
    #expect(try receive(other) == [])
    for _ in 1..<ProbeRounds.checksPerSecond { _ = try receive(Array(right.dropLast()) + [right[47] ^ 1]) }
    #expect(try receive(right).count == 1)
    let next = Probe(.probe, round: 1, session: 77, clock: 2).encoded(with: Self.key, from: Self.nodes[0])
    #expect(try receive(next) == [])
    rounds.end(Self.nodes[0])
    #expect(rounds.wakeAt == nil)
  }

  /// A node that begins session after session gets openers now and then.
  @Test func openersAreRare() {
    var rounds = ProbeRounds(of: Self.nodes[1], random: SeededRandom(seed: 1))
    let counts = (0..<10).map { second in
      rounds.openers(Self.round(of: 1), to: [places[0]], at: Self.start + .seconds(second)).count
    }
    #expect(counts == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1])
    let opener = rounds.openers(Self.round(of: 1), to: [places[0]], at: Self.start + .seconds(20))
    #expect(opener.map(\.hopLimit) == [ProbeRound.openerHops])
  }
}

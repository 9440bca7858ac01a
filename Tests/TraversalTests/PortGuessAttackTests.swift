import Primitives
import TestSupport
import Testing
import Wire

@testable import Traversal

/// What nodes can make another one do that lie about their NATs, their places and their work.
@Suite struct PortGuessAttackTests {
  private static let node = NodeID.filled(with: 100)
  private static let start = Instant(nanoseconds: 3_600_000_000_000)

  /// What the node was made to do.
  private struct Damage {
    var datagrams: [String: [Instant]] = [:]
    var openings: [Instant] = []

    /// The most that falls into ten minutes.
    static func most(_ times: [Instant]) -> Int {
      var (most, first) = (0, 0)
      for last in times.indices {
        while times[last] - times[first] >= PortGuess.period { first += 1 }
        most = max(most, last - first + 1)
      }
      return most
    }
  }

  /// A liar: begins one session after another, and claims whatever makes the node work most.
  private struct Liar {
    let peer: NodeID
    let link: ReachLink
    let mapping: MappingKind
    let part: Punch.Part
    let candidates: [Candidate]

    /// The message that it sends in this tenth of a second; it repeats itself every six seconds.
    func message(_ tenth: Int) -> ControlMessage? {
      let session = UInt32(tenth / 60 + 1)
      switch tenth % 60 {
      case 0:
        let ways = PunchWays(rawValue: 7)
        return .reach(Reach(session: session, tcp: .random, udp: mapping, ways: ways, candidates: candidates))
      case 1: return .punchStart(PunchStart(session: session, round: 1))
      case 2:
        let ways = PunchWays(rawValue: 7)
        return .punch(Punch(session: session, round: 2, ways: ways, part: part, candidates: candidates))
      case 3: return .punchStart(PunchStart(session: session, round: 2))
      default: return nil
      }
    }
  }

  private func own(_ mapping: MappingKind) throws -> OwnSide {
    var outside = OutsideView()
    let ports: [UInt16] = mapping == .random ? [20_000, 40_000] : [20_000, 20_000]
    for (number, port) in ports.enumerated() {
      let place = try #require(Endpoint(host: "198.51.100.1", port: port))
      _ = outside.record(place, by: .filled(with: UInt8(200 + number)))
    }
    let network = try #require(IPAddress("192.168.1.0").flatMap { IPNetwork(of: $0, length: 24) })
    return OwnSide(
      outside: outside, port: 15_000, interfaces: ["192.168.1.5"], networks: [network],
      datagrams: OwnSide.Datagrams(outside: outside, port: 15_000, isBlocked: false, guessesPorts: true))
  }

  private func liars(
    _ count: Int, _ mapping: MappingKind, _ part: Punch.Part, naming host: String? = nil
  ) throws -> [Liar] {
    try (1...count).map { number in
      let seen = try #require(Endpoint(host: "203.0.113.\(number)", port: 30_000))
      let address = try #require(IPAddress(host ?? seen.host))
      let candidates = [try #require(Candidate(.seen, over: .udp, address, port: 30_000))]
      let link = ReachLink(id: LinkID(number: UInt64(number)), binding: [UInt8(number)], seen: [seen])
      return Liar(
        peer: .filled(with: UInt8(number)), link: link, mapping: mapping, part: part, candidates: candidates)
    }
  }

  private func attack(_ own: OwnSide, by liars: [Liar], minutes: Int) -> Damage {
    var (schedule, damage) = (PunchSchedule(of: Self.node, random: SeededRandom(seed: 1)), Damage())
    func note(_ actions: [PunchSchedule.Action], at now: Instant) {
      for action in actions {
        switch action {
        case .probe(let datagram): damage.datagrams[datagram.endpoint.host, default: []].append(now)
        case .openSockets(_, let opening):
          damage.openings += Array(repeating: now, count: opening.count)
          damage.datagrams[opening.datagram.endpoint.host, default: []] += Array(repeating: now, count: opening.count)
        case .punch(let round):
          note(schedule.failed(round.peer, session: round.session, round: round.number, at: now), at: now)
        default: break
        }
      }
    }
    note(schedule.setOwn(own, at: Self.start), at: Self.start)
    for tenth in 0..<minutes * 600 {
      let now = Self.start + .milliseconds(tenth * 100)
      while let due = schedule.wakeAt, due <= now { note(schedule.wake(at: due), at: due) }
      for liar in liars {
        guard let message = liar.message(tenth) else { continue }
        note(schedule.received(message, from: liar.peer, over: liar.link, at: now), at: now)
      }
    }
    return damage
  }

  /// Ten rounds of plain probes, and the openers of further sessions.
  private static let plain = 10 * 21 + 210

  @Test func aLiarAboutItsNATGetsTheBudgetAndNoMore() throws {
    let liars = try liars(1, .random, .opens)
    let damage = attack(try own(.same), by: liars, minutes: 21)
    let times = try #require(damage.datagrams["203.0.113.1"])
    #expect(Set(damage.datagrams.keys) == ["203.0.113.1"] && damage.openings.isEmpty)
    // It is worth the attempt: without a limit there would be 100 times as many datagrams.
    #expect((PortGuess.probes...PortGuess.probes + Self.plain).contains(Damage.most(times)), "\(Damage.most(times))")
  }

  @Test func aNodeBehindARandomNATOpensNoMoreThanTheBudget() throws {
    let liars = try liars(1, .same, .guesses)
    let damage = attack(try own(.random), by: liars, minutes: 21)
    #expect((1...3).contains(damage.openings.count / PortGuess.sockets), "\(damage.openings.count)")
    #expect(Damage.most(damage.openings) == PortGuess.sockets)
  }

  /// Identities cost nothing, so all liars together have a budget as well.
  @Test(arguments: [MappingKind.same, .random]) func manyLiarsGetNoMoreThanAll(own kind: MappingKind) throws {
    let isRandom = kind == .random
    let liars = try liars(24, isRandom ? .same : .random, isRandom ? .guesses : .opens)
    let damage = attack(try own(kind), by: liars, minutes: 11)
    let guessed = damage.datagrams.values.map(Damage.most).filter { $0 >= PortGuess.probes }
    #expect(guessed.count <= 2 * PortGuess.limit && (isRandom || !guessed.isEmpty))
    #expect(Damage.most(damage.openings) <= PortGuess.limit * PortGuess.sockets)
    #expect(damage.openings.isEmpty == !isRandom)
    for times in damage.datagrams.values { #expect(Damage.most(times) <= PortGuess.probes + Self.plain) }
  }

  /// Neither a host of the node's own network nor a stranger's is probed, whatever it is called.
  @Test(arguments: ["192.168.1.1", "198.51.100.77"]) func onlyTheLiarsOwnHostIsGuessed(host: String) throws {
    for (own, claimed, part) in [
      (try own(.same), MappingKind.random, Punch.Part.opens), (try own(.random), .same, .guesses),
    ] {
      let damage = attack(own, by: try liars(3, claimed, part, naming: host), minutes: 12)
      #expect(damage.openings.isEmpty)
      for times in damage.datagrams.values { #expect(times.count <= 2 * Self.plain) }
    }
  }
}

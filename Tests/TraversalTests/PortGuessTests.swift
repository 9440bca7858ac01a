import Primitives
import TestSupport
import Testing
import Wire

@testable import Traversal

/// Guessing the ports of a NAT that chooses them at random, and what that may cost.
@Suite struct PortGuessTests {
  private static let easy: [NATKind] = [.port, .cgnat, .fw, .nosim, .rst, .greedy, .collide]

  private func pair(
    _ kinds: [NATKind], seed: UInt64, guessesPorts: Bool = true, carriesWork: Bool = true
  ) -> ReachPair {
    let pair = ReachPair(kinds, seed: seed, usesUDP: true, guessesPorts: guessesPorts)
    pair.carriesWork = carriesWork
    pair.meet(isLinking: false)
    pair.internet.datagrams = [:]
    pair.linkByRelay()
    return pair
  }

  /// At least 95 of 100 are direct within 6 s, whichever of the two has the smaller ID.
  @Test func aRandomPortIsMet() {
    var direct = 0
    for seed in 0..<100 as Range<UInt64> {
      let easy = Self.easy[Int(seed) % Self.easy.count]
      let pair = pair(seed.isMultiple(of: 2) ? [.symrand, easy] : [easy, .symrand], seed: seed)
      defer { pair.dismantle() }
      pair.run(for: .seconds(6))
      if pair.isConnected { direct += 1 }
      #expect(pair.ends.allSatisfy { $0.sockets.count <= 1 || !pair.isConnected }, "seed \(seed)")
      #expect(pair.ends.allSatisfy { $0.schedule.keepsItsDeadlines })
    }
    #expect(direct >= 95, "\(direct) of 100")
  }

  /// What the plain probes of the first round can do is not guessed, nor what is hopeless; and both must take part.
  @Test func otherwiseNothingIsGuessed() {
    for (kinds, guesses, works) in [
      ([NATKind.symrand, .port], false, true), ([.symrand, .port], true, false), ([.symrand, .symrand], true, true),
      ([.symrand, .symseq], true, true), ([.symrand, .campus], true, true), ([.nosim, .nosim], true, true),
      ([.symrand, .cone], true, true),
    ] {
      let pair = pair(kinds, seed: 3, guessesPorts: guesses, carriesWork: works)
      defer { pair.dismantle() }
      _ = pair.clock.run(for: .seconds(20))
      let sent = pair.internet.datagrams.values.reduce(0, +)
      #expect(sent < 600, "\(kinds): \(sent) datagrams")
      #expect(pair.ends.allSatisfy { $0.openings.isEmpty })
    }
  }

  /// A file that is asked for later is reason enough for a further session, whichever end notices.
  @Test(arguments: [0, 1], [Duration.seconds(1), .seconds(3), .seconds(10), .seconds(40), .seconds(400)])
  func laterWorkIsReasonEnough(first: Int, rest: Duration) {
    let pair = pair([.symrand, .port], seed: 5, carriesWork: false)
    defer { pair.dismantle() }
    _ = pair.clock.run(for: rest)
    #expect(!pair.isConnected)
    let rounds = pair.rounds
    pair.carriesWork = true
    pair.want(first)
    _ = pair.clock.run(for: .milliseconds(400))
    pair.want(1 - first)
    pair.run(for: .seconds(6))
    // What the first round does was in vain before.
    #expect(pair.isConnected && pair.rounds <= rounds + 2)
  }

  /// In an hour a host gets six times 2,000 probes, and a router has six times 256 ports opened.
  @Test func aHostIsGuessedEveryTenMinutes() {
    let pair = pair([.symrand, .port], seed: 3)
    defer { pair.dismantle() }
    pair.internet.datagramHosts = Set(pair.observers.map(\.address))
    _ = pair.clock.run(for: .seconds(3_600))
    #expect(!pair.isConnected)
    let openings = pair.ends[0].openings
    #expect((2...6).contains(openings.count))
    #expect(zip(openings, openings.dropFirst()).allSatisfy { $1 - $0 >= PortGuess.period })
    let probed = Set(pair.ends[1].probes.map(\.endpoint)).count
    #expect(probed > PortGuess.probes && probed <= openings.count * PortGuess.probes + 10, "\(probed)")
    #expect(pair.ends.allSatisfy { $0.sockets.isEmpty })
  }

  /// 500 a second, 2,000 in all, no port twice, and none of those that belong to services.
  @Test func probesAreBounded() throws {
    let start = Instant(nanoseconds: 3_600_000_000_000)
    let guesses = try [1, 2].map { number in
      let host = "203.0.113.\(number)"
      return PortGuess.probing(
        try #require(Endpoint(host: host, port: 4_000)), try #require(IPAddress(host)))
    }
    var rounds = ProbeRounds(of: .filled(with: 1), random: SeededRandom(seed: 1))
    func begin(_ peer: UInt8, _ host: Int, at now: Instant) {
      let round = PunchRound(
        peer: .filled(with: peer), session: UInt32(peer), number: 2, isControlling: true, key: [1], candidates: [])
      rounds.begin(round, PunchTargets(guess: guesses[host]), from: now, patience: .zero, at: now)
    }
    func ports(until end: Instant) -> [UInt16] {
      var ports: [UInt16] = []
      while let due = rounds.wakeAt, due <= end {
        for request in rounds.wake(at: due) {
          if case .send(let datagram) = request.step { ports.append(datagram.endpoint.port) }
        }
      }
      return ports
    }
    begin(2, 0, at: start)
    let wait = PortGuess.pause + PortGuess.headStart
    let first = start + wait
    #expect(ports(until: start + (wait - .milliseconds(1))) == [])
    #expect(ports(until: first + .milliseconds(999)).count == 500)
    // Another node and another host, but at the same time.
    begin(3, 1, at: first + .milliseconds(999))
    let rest = ports(until: start + .seconds(20))
    #expect(rest.count == 1_500 && Set(rest).count == rest.count && rest.allSatisfy { $0 >= 1_024 })
    // The same host through another node, the same node at another host, and again.
    begin(4, 0, at: start + .seconds(30))
    begin(2, 1, at: start + .seconds(60))
    #expect(ports(until: start + .seconds(100)) == [])
    begin(5, 0, at: start + .seconds(600))
    #expect(ports(until: start + .seconds(700)).count == PortGuess.probes)
  }
}

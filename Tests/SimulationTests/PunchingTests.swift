import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// Whole nodes behind NATs: a relay connects each pair, and a direct link follows where one is possible.
@Suite struct PunchingTests {
  /// Nodes behind edges of these kinds, and two bootstrap nodes that relay.
  private struct Site {
    let network: SimNetwork
    let relays: [SimNode]
    let members: [SimNode]

    /// - Parameter crossing: whether two ordinary dials that meet lead to a link.
    init(_ kinds: [NATKind], seed: UInt64, relays relayCount: Int = 2, crossing: Bool = false) throws {
      network = SimNetwork(seed: seed)
      network.settlesCrossedDials = crossing
      let network = network
      let relays = try (0..<relayCount).map {
        try network.addNode(
          "relay \($0)", isBootstrap: true, on: SimHost("192.0.2.\($0 + 1)", in: network.internet))
      }
      self.relays = relays
      members = try kinds.enumerated().map { number, kind in
        try network.addNode(
          "\(kind) \(number)", bootstraps: relays, on: kind.host(number + 1, port: 15_351, in: network.internet))
      }
      for relay in relays { relay.start([Lab.channel]) }
      for member in members { member.start([Lab.channel]) }
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }

    /// The link that both of two members use; nil if they do not agree.
    func used(_ one: Int = 0, _ other: Int = 1) -> SimLink? {
      let link = members[one].preferredLink(to: members[other])
      return link === members[other].preferredLink(to: members[one]) ? link : nil
    }

    func rounds(of member: Int = 0, with other: Int = 1) -> Int {
      members[member].edge?.rounds[members[other].id] ?? 0
    }
  }

  private static let pairs = NATKind.allCases.indices.flatMap { first in
    NATKind.allCases[first...].map { [NATKind.allCases[first], $0] }
  }

  /// Every pair meets within seconds, those of the table end up on a direct link, and both ends use the same one.
  @Test(arguments: pairs) func everyPairHasTheBestLink(_ kinds: [NATKind]) throws {
    for seed in 0..<2 as Range<UInt64> {
      let order = seed == 0 ? kinds : kinds.reversed()
      let site = try Site(order, seed: seed, crossing: seed == 1)
      defer { site.network.dismantle() }
      site.run(for: .seconds(4))
      #expect(site.members[0].isLinked(to: site.members[1]), "seed \(seed): \(order)")
      let isDirect = kinds[0].connects(to: kinds[1])
      // Sequences are disturbed by whatever else the node dials.
      site.run(for: .seconds(kinds.contains(.symseq) ? 200 : 30))
      let link = try #require(site.used(), "seed \(seed): \(order)")
      #expect((link.path != .relayed) == isDirect, "seed \(seed): \(order) use \(link.path)")
      #expect(site.network.complaints == [], "seed \(seed): \(order)")
    }
  }

  /// The relay is left in the middle of a transfer: no byte is missing, and none comes twice.
  @Test(arguments: 0..<6 as Range<UInt64>) func theRelayIsLeftWithoutLosingAByte(seed: UInt64) throws {
    let site = try Site([.port, .rst], seed: seed)
    defer { site.network.dismantle() }
    let (asker, source) = (site.members[0], site.members[1])
    (source.blockTime, source.blockSize) = (.milliseconds(10), 500)
    _ = site.network.clock.run(for: .seconds(10)) { site.used()?.path == .relayed }
    let key = source.store.store(site.network.random.bytes(200_000))
    let load = asker.load(key)
    _ = site.network.clock.run(for: .seconds(60)) { asker.outcomes[load] != nil }
    #expect(asker.outcomes[load]?.isSuccess == true, "seed \(seed)")
    #expect(asker.receivedBytes == 200_000, "seed \(seed)")
    #expect(site.used()?.path == .punched, "seed \(seed)")
    site.run(for: .seconds(120))
    #expect(site.network.links(between: asker, and: source).map(\.path) == [.punched], "seed \(seed)")
    #expect(site.network.complaints == [])
  }

  /// A direct link that is lost is replaced by another one.
  @Test(arguments: 0..<6 as Range<UInt64>) func aLostLinkIsReplaced(seed: UInt64) throws {
    let site = try Site([.port, .cgnat], seed: seed)
    defer { site.network.dismantle() }
    site.run(for: .seconds(100))
    let first = try #require(site.used())
    #expect(first.path == .punched, "seed \(seed)")
    first.cut()
    site.run(for: .seconds(40))
    let second = try #require(site.used())
    // What the NATs remember of the lost link may let an ordinary dial through.
    #expect(second !== first && second.path != .relayed, "seed \(seed): \(second.path)")
    #expect(site.network.complaints == [])
  }

  /// Several nodes at a time: each pair is punched where that is possible.
  @Test(arguments: 0..<4 as Range<UInt64>) func manyNodesFindEachOther(seed: UInt64) throws {
    let kinds: [NATKind] = [.port, .cgnat, .rst, .fw, .addr, .symrand, .campus, .cone]
    let site = try Site(kinds, seed: seed)
    defer { site.network.dismantle() }
    site.run(for: .seconds(60))
    for one in kinds.indices {
      for other in kinds.indices where one < other {
        let link = try #require(site.used(one, other), "seed \(seed): \(kinds[one]), \(kinds[other])")
        #expect(
          (link.path != .relayed) == kinds[one].connects(to: kinds[other]),
          "seed \(seed): \(kinds[one]), \(kinds[other]) use \(link.path)")
      }
    }
    #expect(site.network.complaints == [])
  }

  /// Bootstrap nodes that lie about where they see nodes make these dial another host no more than the budget allows, and
  /// the relay stays.
  @Test(arguments: [1, 2]) func liesAboutPlacesCostLittle(liars: Int) throws {
    let site = try Site([.port, .port], seed: 5)
    defer { site.network.dismantle() }
    for relay in site.relays.prefix(liars) { relay.claimedPlace = Endpoint("198.51.100.99:9000") }
    site.run(for: .seconds(600))
    #expect(site.used() != nil)
    for member in site.members {
      let dialed = member.edge?.puncher.dialed.count { $0.host == "198.51.100.99" } ?? 0
      #expect(dialed <= 10 * 16, "ten rounds in ten minutes")
    }
    #expect(site.network.complaints == [])
  }

  /// A member of the channel that sends forged messages makes others dial no more than the budget allows.
  @Test(arguments: 0..<5 as Range<UInt64>) func forgedMessagesCostLittle(seed: UInt64) throws {
    let site = try Site([.nosim, .nosim], seed: seed)
    defer { site.network.dismantle() }
    site.run(for: .seconds(5))
    let (victim, attacker) = (site.members[0], site.members[1])
    let link = try #require(site.network.link(between: victim, and: attacker))
    var random = SeededRandom(seed: seed)
    for _ in 0..<3_000 {
      let session = UInt32(random.number(0...3))
      let candidates = try (0..<random.number(0...16)).map { _ in
        let address = try #require(IPAddress(bytes: random.bytes(random.chance(50) ? 4 : 16)))
        return try #require(Candidate(.seen, address, port: UInt16(random.number(1...65_535))))
      }
      let messages: [ControlMessage] = [
        .reach(Reach(session: session, tcp: .sequence, candidates: candidates)),
        .reach(Reach(session: session, tcp: .kept, candidates: candidates)),
        .punch(Punch(session: session, round: UInt8(random.number(0...4)), candidates: candidates)),
        .punchStart(PunchStart(session: session, round: UInt8(random.number(0...4)))),
        .punchEnd(PunchEnd(session: session, round: 1, .failed)),
      ]
      link.send(messages[random.number(0...4)], from: attacker)
      site.run(for: .milliseconds(random.number(1...400)))
    }
    #expect(site.rounds() <= 3 + 10 * 2, "seed \(seed)")
    let others = victim.edge?.puncher.dialed.filter { $0.host != "203.0.113.2" && $0.host != "203.0.113.1" } ?? []
    // Two addresses of IPv6 are believed in each round: a node has more than relays see.
    #expect(others.allSatisfy { IPAddress($0.host)?.bytes.count == 16 }, "seed \(seed): \(others)")
    #expect(others.count <= 2 * site.rounds(), "seed \(seed): \(others)")
    #expect(victim.isLinked(to: attacker), "seed \(seed)")
    #expect(site.network.complaints == [], "seed \(seed)")
  }

  /// Without the feature at one end there is no round, and the relay stays.
  @Test(arguments: [[true, false], [false, true]]) func bothEndsMustPunch(_ punches: [Bool]) throws {
    let network = SimNetwork(seed: 6)
    defer { network.dismantle() }
    let relay = try network.addNode("relay", isBootstrap: true, on: SimHost("192.0.2.1", in: network.internet))
    let members = try (0..<2).map { number in
      try network.addNode(
        "node \(number)", bootstraps: [relay], on: NATKind.rst.host(number + 1, port: 15_351, in: network.internet),
        punches: punches[number])
    }
    for node in [relay] + members { node.start([Lab.channel]) }
    _ = network.clock.run(for: .seconds(100))
    #expect(members[0].isLinked(to: members[1]))
    #expect(members.allSatisfy { $0.edge?.rounds == [:] })
  }
}

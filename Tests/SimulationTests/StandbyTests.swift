import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Nodes that reach each other only through relays, of which one is lost: the other one carries everything on.
@Suite struct StandbyTests {
  private struct Site {
    let network: SimNetwork
    let relays: [SimNode]
    let members: [SimNode]

    init(seed: UInt64, relays relayCount: Int = 2) throws {
      network = SimNetwork(seed: seed)
      let network = network
      let relays = try (0..<relayCount).map { try network.addNode("relay \($0)", isBootstrap: true) }
      self.relays = relays
      members = try (0..<2).map { try network.addNode("node \($0)", bootstraps: relays) }
      for relay in relays { relay.start([Lab.channel]) }
      for member in members {
        member.isBehindNAT = true
        member.start([Lab.channel])
      }
      run(for: .seconds(10))
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }

    var links: [SimLink] { network.links(between: members[0], and: members[1]) }

    /// The link that both members use.
    var used: SimLink? {
      let link = members[0].preferredLink(to: members[1])
      return link === members[1].preferredLink(to: members[0]) ? link : nil
    }

    /// The relay that carries the link.
    func relay(of link: SimLink) -> SimNode? {
      relays.first { relay in
        members.allSatisfy { member in
          network.links(between: relay, and: member).contains { $0.isCarrying(link) }
        }
      }
    }
  }

  @Test(arguments: 0..<6 as Range<UInt64>) func aSecondRelayIsReadyAndStays(seed: UInt64) throws {
    let site = try Site(seed: seed)
    defer { site.network.dismantle() }
    // If both nodes have dialed, one of the links through one relay is closed after a while.
    site.run(for: .seconds(100))
    #expect(site.links.count == 2, "seed \(seed)")
    let relays = site.links.compactMap { site.relay(of: $0)?.name }
    #expect(Set(relays).count == 2, "seed \(seed): both lead through \(relays)")
    site.run(for: .seconds(200))
    #expect(site.links.count == 2, "seed \(seed): it was closed")
    #expect(site.network.complaints == [])
  }

  /// The relay ends, or carries nothing any more, in the middle of a transfer: at the moment at which that is noticed, the
  /// other link is used, and no byte comes twice but those under way.
  @Test(arguments: 0..<8 as Range<UInt64>) func theOtherRelayTakesOverInMidTransfer(seed: UInt64) throws {
    let site = try Site(seed: seed)
    defer { site.network.dismantle() }
    let (asker, source) = (site.members[0], site.members[1])
    (source.blockTime, source.blockSize) = (.milliseconds(20), 500)
    let before = try #require(site.used)
    let relay = try #require(site.relay(of: before))
    let key = source.store.store(site.network.random.bytes(200_000))
    let load = asker.load(key)
    site.run(for: .seconds(2))
    #expect(asker.outcomes[load] == nil)
    if seed % 2 == 0 {
      relay.kill()
      site.run(for: .milliseconds(1))
    } else {
      for member in site.members {
        for link in site.network.links(between: relay, and: member) { link.fallSilent() }
      }
      // Each end notices after 2 to 5 s.
      site.run(for: .milliseconds(5_200))
    }
    let after = try #require(site.used, "seed \(seed): the two do not agree")
    #expect(after !== before && site.relay(of: after) !== relay, "seed \(seed)")
    _ = site.network.clock.run(for: .seconds(60)) { asker.outcomes[load] != nil }
    #expect(asker.outcomes[load]?.isSuccess == true, "seed \(seed)")
    #expect(asker.receivedBytes < 203_000, "seed \(seed): \(asker.receivedBytes)")
    #expect(site.network.complaints == [], "seed \(seed)")
  }

  /// A relay that comes back is the second one again.
  @Test(arguments: 0..<5 as Range<UInt64>) func aLostRelayIsReplacedInReserve(seed: UInt64) throws {
    let site = try Site(seed: seed)
    defer { site.network.dismantle() }
    let lost = try #require(site.used.flatMap { site.relay(of: $0) })
    let key = lost.core.configuration
    lost.kill()
    site.run(for: .seconds(5))
    #expect(site.links.count == 1, "seed \(seed)")
    lost.restart(with: NodeCore(key, random: SeededRandom(seed: seed)), [Lab.channel])
    site.run(for: .seconds(200))
    #expect(Set(site.links.compactMap { site.relay(of: $0)?.name }).count == 2, "seed \(seed)")
    #expect(site.network.complaints == [], "seed \(seed)")
  }

  /// A direct link needs no reserve.
  @Test func aDirectLinkHasNoReserve() throws {
    let site = try Site(seed: 3)
    defer { site.network.dismantle() }
    for member in site.members { member.isBehindNAT = false }
    site.run(for: .seconds(200))
    #expect(site.used?.path == .direct && site.links.count == 1)
    for member in site.members { member.isBehindNAT = true }
    for link in site.links { link.cut() }
    site.run(for: .seconds(20))
    #expect(site.links.map(\.path) == [.relayed, .relayed])
    #expect(site.network.complaints == [])
  }
}

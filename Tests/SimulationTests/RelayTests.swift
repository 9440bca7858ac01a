import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// Nodes that no other node can dial, and the bootstrap nodes through which they reach each other.
@Suite struct RelayTests {
  /// Members behind NATs, who have just started, and bootstrap nodes that all of them use.
  private struct Site {
    let network: SimNetwork
    let relays: [SimNode]
    let members: [SimNode]

    init(seed: UInt64, members count: Int = 2, relays relayCount: Int = 1) throws {
      network = SimNetwork(seed: seed)
      let network = network
      let relays = try (0..<relayCount).map { try network.addNode("relay \($0)", isBootstrap: true) }
      self.relays = relays
      members = try (0..<count).map { try network.addNode("node \($0)", bootstraps: relays) }
      for relay in relays { relay.start([Lab.channel]) }
      for member in members {
        member.isBehindNAT = true
        member.start([Lab.channel])
      }
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }

    /// The link that both of the first two members use.
    var used: SimLink? {
      let (one, other) = (members[0], members[1])
      let link = one.preferredLink(to: other)
      return link === other.preferredLink(to: one) ? link : nil
    }

    /// Loads a file of the second member at the first; returns whether it arrived.
    func load(_ count: Int = 10_000, within time: Duration = .seconds(60)) -> Bool {
      let key = members[1].store.store(network.random.bytes(count))
      let load = members[0].load(key)
      _ = network.clock.run(for: time) { members[0].outcomes[load] != nil }
      return members[0].outcomes[load]?.isSuccess == true
    }
  }

  @Test(arguments: 0..<8 as Range<UInt64>) func everyPairMeetsWithinSeconds(seed: UInt64) throws {
    let site = try Site(seed: seed, members: 5, relays: 2)
    defer { site.network.dismantle() }
    site.run(for: .seconds(3))
    for one in site.members {
      for other in site.members where one !== other {
        #expect(one.isLinked(to: other), "seed \(seed): \(one.name) has not met \(other.name)")
        #expect(one.preferredLink(to: other)?.path == .relayed)
      }
    }
    #expect(site.load())
    #expect(site.network.complaints == [])
  }

  /// The relay sends nothing of the file itself: the link through it has the two nodes at its ends.
  @Test func aFileComesFromTheNodeBehindTheRelay() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    site.run(for: .seconds(3))
    #expect(site.load())
    #expect(site.network.served.keys.sorted() == [site.members[1].id])
  }

  /// A path that comes later is used at once, without losing a byte, and the relayed one ends.
  @Test func aDirectPathTakesOver() throws {
    let site = try Site(seed: 2)
    defer { site.network.dismantle() }
    site.run(for: .seconds(5))
    #expect(site.used?.path == .relayed)
    for member in site.members { member.isBehindNAT = false }
    site.run(for: .seconds(30))
    #expect(site.used?.path == .direct)
    site.run(for: .seconds(90))
    #expect(site.network.links(between: site.members[0], and: site.members[1]).map(\.path) == [.direct])
    #expect(site.load())
  }

  /// Hours later a node on a relay still tries the other one's own addresses.
  @Test func aBetterPathIsLookedForForever() throws {
    let site = try Site(seed: 3)
    defer { site.network.dismantle() }
    site.run(for: .seconds(3 * 3_600))
    #expect(site.used?.path == .relayed)
    for member in site.members { member.isBehindNAT = false }
    site.run(for: .seconds(16 * 60))
    #expect(site.used?.path == .direct)
  }

  @Test func anotherRelayTakesOver() throws {
    let site = try Site(seed: 4, relays: 2)
    defer { site.network.dismantle() }
    site.run(for: .seconds(5))
    let before = try #require(site.used)
    let first = try #require(
      site.relays.first { relay in
        [site.members[0], site.members[1]].allSatisfy { member in
          site.network.links(between: relay, and: member).contains { $0.isCarrying(before) }
        }
      })
    first.kill()
    site.run(for: .seconds(5))
    let after = try #require(site.used)
    #expect(after !== before && after.path == .relayed)
    #expect(site.load())
  }

  /// A node behind a NAT dials one that is not: no relay is needed.
  @Test func aNodeThatCanBeDialedIsNotRelayedTo() throws {
    let site = try Site(seed: 5)
    defer { site.network.dismantle() }
    site.members[1].isBehindNAT = false
    site.run(for: .seconds(100))
    #expect(site.used?.path == .direct)
    #expect(site.network.links(between: site.members[0], and: site.members[1]).count == 1)
  }

  @Test func onlyThoseWhoNamedTheChannelAreRelayed() throws {
    let site = try Site(seed: 6, members: 3)
    defer { site.network.dismantle() }
    let (relay, stranger) = (site.relays[0], site.members[2])
    stranger.join([Channel(address: "another lab", membership: .byName)])
    site.run(for: .seconds(5))
    let link = try #require(relay.preferredLink(to: stranger)).end(of: relay).id
    let member = try #require(relay.preferredLink(to: site.members[0])).end(of: relay).id
    let topic = Lab.channel.topic
    let unknown = try KeyRing.key(200).publicKey
    // The same answer for a node that is linked and one that does not exist.
    #expect(relay.core.relayStatus(from: link, to: site.members[0].id, over: topic) == .notPermitted)
    #expect(relay.core.relayStatus(from: link, to: unknown, over: topic) == .notPermitted)
    #expect(relay.core.relayStatus(from: member, to: unknown, over: topic) == .notLinked)
    #expect(relay.core.relayStatus(from: member, to: stranger.id, over: topic) == .notLinked)
    #expect(relay.core.relayStatus(from: member, to: site.members[1].id, over: topic) == .granted)
    #expect(site.members[0].core.relayStatus(from: member, to: site.members[1].id, over: topic) == .doesNotRelay)
    // The target has the last word.
    let near = try #require(site.members[0].preferredLink(to: relay)).end(of: site.members[0]).id
    #expect(!site.members[0].core.accepts(relayedFrom: stranger.id, over: stranger.channels[0].topic, by: near))
    #expect(!site.members[0].core.accepts(relayedFrom: relay.id, over: topic, by: near))
    #expect(stranger.core.activePeers.count == 1, "it meets nobody but the relay")
  }

  /// A lane is accepted only beside a link to the same node through the same relay.
  @Test func lanesBelongToALinkThroughTheirRelay() throws {
    // Their links lead through the two that the records name.
    let site = try Site(seed: 7, members: 3, relays: 3)
    defer { site.network.dismantle() }
    let (node, peer, stranger) = (site.members[0], site.members[1], site.members[2])
    stranger.join([Channel(address: "another lab", membership: .byName)])
    site.run(for: .seconds(5))
    let topic = Lab.channel.topic
    let used = try #require(site.used)
    let links = site.network.links(between: node, and: peer)
    for relay in site.relays {
      let way = try #require(node.preferredLink(to: relay))
      let isTheirs = site.network.links(between: relay, and: node).contains { carrier in
        links.contains { carrier.isCarrying($0) }
      }
      #expect(node.core.accepts(laneFrom: peer.id, over: topic, by: way.end(of: node).id) == isTheirs)
      #expect(!node.core.accepts(laneFrom: stranger.id, over: topic, by: way.end(of: node).id))
      #expect(!node.core.accepts(laneFrom: peer.id, over: stranger.channels[0].topic, by: way.end(of: node).id))
    }
    #expect(links.count == 2)
    // Not by a member, and not without the link.
    #expect(!node.core.accepts(laneFrom: peer.id, over: topic, by: used.end(of: node).id))
    let ways = site.relays.compactMap { node.preferredLink(to: $0)?.end(of: node).id }
    peer.kill()
    site.run(for: .seconds(30))
    #expect(ways.allSatisfy { !node.core.accepts(laneFrom: peer.id, over: topic, by: $0) })
  }
}

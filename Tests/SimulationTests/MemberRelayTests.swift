import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// Members that relay for the other members of a channel, because their owners offer it.
@Suite struct MemberRelayTests {
  /// Two members that no node can dial, and one that everybody can. There is no bootstrap node, or one that does not relay.
  private struct Site {
    let network: SimNetwork
    let hub: SimNode?
    let proxy: SimNode
    let members: [SimNode]

    init(
      seed: UInt64, offered: RelayedTraffic? = .everything, hasHub: Bool = false, hubRelays: Bool = false,
      relays: Bool = true
    ) throws {
      network = SimNetwork(seed: seed)
      let network = network
      hub = hasHub ? try network.addNode("hub", isBootstrap: true, relays: hubRelays) : nil
      let bootstraps = hub.map { [$0] } ?? []
      proxy = try network.addNode("proxy", bootstraps: bootstraps, relays: relays)
      let proxy = proxy
      members = try (0..<2).map {
        try network.addNode("node \($0)", bootstraps: hasHub ? bootstraps : [proxy], punches: false)
      }
      hub?.start([])
      proxy.start([Site.channel(offered)])
      for member in members {
        member.isBehindNAT = true
        member.start([Lab.channel])
      }
    }

    static func channel(_ offered: RelayedTraffic?) -> Channel {
      Channel(address: Lab.channel.address, membership: .byName, offered: offered)
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }

    /// The relays through which the two members are linked.
    var ways: Set<NodeID> {
      let (one, other) = (members[0], members[1])
      let links = network.links(between: one, and: other)
      let relays = network.nodes.filter { relay in
        network.links(between: relay, and: one).contains { carrier in links.contains { carrier.isCarrying($0) } }
      }
      return Set(relays.map(\.id))
    }

    /// Loads a file of the second member at the first; returns whether it arrived.
    func load(within time: Duration = .seconds(60)) -> Bool {
      let key = members[1].store.store(network.random.bytes(10_000))
      let load = members[0].load(key)
      _ = network.clock.run(for: time) { members[0].outcomes[load] != nil }
      return members[0].outcomes[load]?.isSuccess == true
    }

    /// The proxy's link to a node.
    func link(to node: SimNode) throws -> LinkID { try #require(proxy.preferredLink(to: node)).end(of: proxy).id }
  }

  @Test(arguments: 0..<8 as Range<UInt64>) func twoMembersMeetThroughAThird(seed: UInt64) throws {
    for hasHub in [false, true] {
      let site = try Site(seed: seed, hasHub: hasHub)
      defer { site.network.dismantle() }
      site.run(for: .seconds(6))
      #expect(site.members[0].preferredLink(to: site.members[1])?.path == .relayed, "seed \(seed)")
      #expect(site.ways == [site.proxy.id])
      #expect(site.load())
      #expect(site.network.served.keys.sorted() == [site.members[1].id], "the relay sends nothing of the file itself")
      #expect(site.network.complaints == [])
    }
  }

  /// Without an offer, and with `--no-relay`, a member does not relay.
  @Test(arguments: [(nil, true), (.everything, false)] as [(RelayedTraffic?, Bool)])
  func nobodyRelaysWhoDoesNotOfferIt(offered: RelayedTraffic?, relays: Bool) throws {
    let site = try Site(seed: 1, offered: offered, hasHub: true, relays: relays)
    defer { site.network.dismantle() }
    site.run(for: .seconds(60))
    #expect(site.members.allSatisfy { $0.isLinked(to: site.proxy) })
    #expect(!site.members[0].isLinked(to: site.members[1]))
    let link = try site.link(to: site.members[0])
    let status = site.proxy.core.relayStatus(from: link, to: site.members[1].id, over: Lab.channel.topic)
    #expect(status == .doesNotRelay)
  }

  /// An owner may offer it at any time, and take it back.
  @Test(arguments: 0..<5 as Range<UInt64>) func anOfferTakesEffectImmediately(seed: UInt64) throws {
    let site = try Site(seed: seed, offered: nil, hasHub: true)
    defer { site.network.dismantle() }
    site.run(for: .seconds(30))
    #expect(!site.members[0].isLinked(to: site.members[1]))
    site.proxy.join([Site.channel(.messages)])
    site.run(for: .seconds(15))
    #expect(site.ways == [site.proxy.id])
    #expect(site.load())
    site.proxy.join([Site.channel(nil)])
    site.run(for: .seconds(1))
    let link = try site.link(to: site.members[0])
    let status = site.proxy.core.relayStatus(from: link, to: site.members[1].id, over: Lab.channel.topic)
    #expect(status == .doesNotRelay)
    #expect(site.members[0].core.relayRoute(to: site.members[1].id, by: site.proxy.id) == nil)
  }

  private static let address: ByteString = "https://example.org/lab.yaml"

  private static func document(_ members: [ChannelDocument.Member], offered: RelayedTraffic? = nil) -> Channel {
    Channel(
      address: address,
      membership: .byDocument(ChannelDocument(label: "lab", bootstrapAddresses: [], members: members)),
      offered: offered)
  }

  /// What the document grants the relay decides, and only nodes that it lists are relayed.
  @Test(arguments: [(false, false), (true, false), (false, true)])
  func theDocumentDecides(isMessageProxy: Bool, isDataProxy: Bool) throws {
    let site = try Site(seed: 3, offered: nil, hasHub: true)
    defer { site.network.dismantle() }
    let stranger = try site.network.addNode("stranger", bootstraps: site.hub.map { [$0] } ?? [])
    stranger.isBehindNAT = true
    let entries =
      site.members.map { ChannelDocument.Member(node: $0.id, isPublic: true) } + [
        ChannelDocument.Member(node: site.proxy.id, isMessageProxy: isMessageProxy, isDataProxy: isDataProxy)
      ]
    stranger.start([Self.document(entries)])
    for member in site.members { member.join([Self.document(entries)]) }
    site.proxy.join([Self.document(entries, offered: .everything)])
    site.run(for: .seconds(20))
    let (one, other, topic) = (site.members[0], site.members[1], Self.document(entries).topic)
    let isRelay = isMessageProxy || isDataProxy
    #expect(one.isLinked(to: other) == isRelay)
    #expect(site.load(within: .seconds(20)) == isRelay)
    let status = site.proxy.core.relayStatus(from: try site.link(to: one), to: other.id, over: topic)
    #expect(status == (isRelay ? .granted : .doesNotRelay))
    // The members are public, so the stranger may ask them for files; the relay tells it nothing.
    #expect(!stranger.isLinked(to: one))
    if let link = site.proxy.preferredLink(to: stranger)?.end(of: site.proxy).id {
      #expect(site.proxy.core.relayStatus(from: link, to: one.id, over: topic) == .doesNotRelay)
    }
    guard isRelay else { return }
    #expect(site.proxy.core.relayStatus(from: try site.link(to: one), to: stranger.id, over: topic) == .notLinked)
    #expect(site.proxy.core.relayedTraffic(over: topic) == (isDataProxy ? .everything : .messages))
    let way = try #require(one.preferredLink(to: site.proxy)).end(of: one).id
    #expect(one.core.accepts(laneFrom: other.id, over: topic, by: way) == isDataProxy)
  }

  /// A member relays for the channel for which it offers it, and says nothing about the others.
  @Test func anOfferHoldsForItsChannelOnly() throws {
    let site = try Site(seed: 4, offered: nil, hasHub: true)
    defer { site.network.dismantle() }
    let (mine, theirs) = (
      Channel(address: "mine", membership: .byName), Channel(address: "theirs", membership: .byName)
    )
    site.proxy.join([Lab.channel, Channel(address: "mine", membership: .byName, offered: .everything), theirs])
    site.members[0].join([mine, theirs])
    site.members[1].join([Lab.channel, theirs])
    site.run(for: .seconds(30))
    #expect(!site.members[0].isLinked(to: site.members[1]))
    let (one, other) = (try site.link(to: site.members[0]), try site.link(to: site.members[1]))
    let core = site.proxy.core
    #expect(core.relayStatus(from: one, to: site.members[1].id, over: theirs.topic) == .doesNotRelay)
    // The second one has not proved that it is in the channel, and learns nothing about it.
    #expect(core.relayStatus(from: one, to: site.members[1].id, over: mine.topic) == .notLinked)
    #expect(core.relayStatus(from: other, to: site.members[0].id, over: mine.topic) == .doesNotRelay)
  }

  /// A bootstrap node that relays comes first, and a member is the relay in reserve.
  @Test(arguments: 0..<5 as Range<UInt64>) func aMemberIsARelayInReserve(seed: UInt64) throws {
    let site = try Site(seed: seed, hasHub: true, hubRelays: true)
    defer { site.network.dismantle() }
    site.run(for: .seconds(15))
    let hub = try #require(site.hub)
    #expect(site.ways == [hub.id, site.proxy.id])
    hub.kill()
    site.run(for: .seconds(15))
    #expect(site.ways == [site.proxy.id])
    #expect(site.load())
  }

  /// A relay for messages only is used while there is no other.
  @Test(arguments: 0..<10 as Range<UInt64>) func aRelayForMessagesComesLast(seed: UInt64) throws {
    let site = try Site(seed: seed, offered: .messages, hasHub: true, hubRelays: true)
    defer { site.network.dismantle() }
    site.run(for: .seconds(90))
    let used = try #require(site.members[0].preferredLink(to: site.members[1]))
    let hub = try #require(site.hub)
    let isThroughHub = site.network.links(between: hub, and: site.members[0]).contains { $0.isCarrying(used) }
    #expect(isThroughHub, "seed \(seed)")
    hub.kill()
    site.run(for: .seconds(15))
    #expect(site.ways == [site.proxy.id])
    #expect(site.load())
  }
}

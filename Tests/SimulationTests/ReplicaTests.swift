import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// Which nodes are asked to keep copies, for whom they do, and that every question ends.
@Suite struct ReplicaTests {
  /// A member that wants a copy of its file, one that relays files, one that relays messages, and one that relays
  /// nothing.
  private struct Site {
    let network: SimNetwork
    let asker: SimNode
    let proxy: SimNode
    let messenger: SimNode
    let other: SimNode
    let key: FileKey

    init(seed: UInt64) throws {
      let network = SimNetwork(seed: seed)
      self.network = network
      let hub = try network.addNode("hub", isBootstrap: true)
      let nodes = try ["asker", "proxy", "messenger", "other"].map { try network.addNode($0, bootstraps: [hub]) }
      (asker, proxy, messenger, other) = (nodes[0], nodes[1], nodes[2], nodes[3])
      hub.start([])
      asker.start([Lab.channel])
      proxy.start([Site.channel(.everything)])
      messenger.start([Site.channel(.messages)])
      other.start([Lab.channel])
      key = asker.store.store(network.random.bytes(5_000))
      _ = network.clock.run(for: .seconds(20))
    }

    static func channel(_ offered: RelayedTraffic?) -> Channel {
      Channel(address: Lab.channel.address, membership: .byName, offered: offered)
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }
  }

  @Test(arguments: 0..<4 as Range<UInt64>) func theMembersThatRelayFilesAreAsked(seed: UInt64) throws {
    let site = try Site(seed: seed)
    defer { site.network.dismantle() }
    site.asker.replicate(site.key)
    site.run(for: .seconds(5))
    #expect(site.asker.nodesAskedForReplicas == [site.proxy.id])
    #expect(site.asker.replicaAnswersByNode == [site.proxy.id: [.loading, .kept]])
    let order = try #require(site.proxy.replicaOrders.first)
    #expect(order.node == site.asker.id && order.hash == site.key.hash && order.size == 5_000)
    #expect(site.messenger.replicaOrders.isEmpty && site.other.replicaOrders.isEmpty)
    #expect(site.network.complaints == [])
  }

  /// A node that does not relay files over the channel keeps nothing, whoever asks.
  @Test func aNodeThatIsNamedMayRefuse() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    for node in [site.messenger, site.other] { site.asker.replicate(site.key, at: node.id) }
    site.run(for: .seconds(5))
    #expect(site.asker.replicaAnswersByNode == [site.messenger.id: [.notAuthorized], site.other.id: [.notAuthorized]])
    #expect(site.messenger.replicaOrders.isEmpty && site.other.replicaOrders.isEmpty)
  }

  @Test func withoutSuchAMemberNobodyIsAsked() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    site.proxy.kill()
    site.run(for: .seconds(60))
    site.asker.replicate(site.key)
    site.asker.replicate(site.key, at: site.proxy.id)
    #expect(site.asker.replicaEffects.count == 2 && site.asker.nodesAskedForReplicas.isEmpty)
  }

  /// An older version ignores the question.
  @Test func silenceEnds() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    site.proxy.replicaAnswers = []
    site.asker.replicate(site.key)
    site.run(for: .seconds(9))
    #expect(site.asker.replicaAnswersByNode.isEmpty)
    site.run(for: .seconds(2))
    #expect(site.asker.replicaAnswersByNode == [site.proxy.id: [.failed]])
  }

  /// Loading may take long. A lost node ends it.
  @Test func aNodeThatLoadsIsWaitedForUntilItIsLost() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    site.proxy.replicaAnswers = [.loading]
    site.asker.replicate(site.key)
    site.run(for: .seconds(600))
    #expect(site.asker.replicaAnswersByNode == [site.proxy.id: [.loading]])
    site.proxy.kill()
    site.run(for: .seconds(60))
    #expect(site.asker.replicaAnswersByNode == [site.proxy.id: [.loading, .failed]])
  }

  /// Who is not a member, according to the document, cannot fill the disks of members.
  @Test func strangersGetNothing() throws {
    let network = SimNetwork(seed: 3)
    defer { network.dismantle() }
    let hub = try network.addNode("hub", isBootstrap: true)
    let proxy = try network.addNode("proxy", bootstraps: [hub])
    let stranger = try network.addNode("stranger", bootstraps: [hub])
    let document = ChannelDocument(
      label: "lab", bootstrapAddresses: [],
      members: [ChannelDocument.Member(node: proxy.id, isDataProxy: true, isPublic: true)])
    let address: ByteString = "https://example.org/lab.yaml"
    hub.start([])
    proxy.start([
      Channel(address: address, membership: .byDocument(document), isPublic: true, offered: .everything)
    ])
    stranger.start([Channel(address: address, membership: .byDocument(document))])
    _ = network.clock.run(for: .seconds(20))
    #expect(stranger.isLinked(to: proxy))
    stranger.replicate(stranger.store.store([1, 2, 3]), at: proxy.id)
    _ = network.clock.run(for: .seconds(5))
    #expect(stranger.replicaAnswersByNode == [proxy.id: [.notAuthorized]])
    #expect(proxy.replicaOrders.isEmpty)
  }
}

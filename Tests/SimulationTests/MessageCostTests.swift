import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// The cost of a message depends on its content, not on the number of linked nodes. Otherwise one member could keep a
/// node with many links busy by naming its channels again and again.
@Suite struct MessageCostTests {
  private static let channels = (0..<12).map { Channel(address: ByteString("channel \($0)"), membership: .byName) }

  /// A core and peers that have said hello, each on a separate link.
  private struct World {
    var core: NodeCore
    let keys: [SigningKey]
    private var time: UInt64 = 1_000_000_000

    init(peers: Int) throws {
      core = NodeCore(
        NodeCoreConfiguration(key: try KeyRing.key(200), label: "node", software: "test"), random: SeededRandom(seed: 1)
      )
      keys = try (0..<peers).map { try KeyRing.key($0) }
      core.setChannels(MessageCostTests.channels, at: now)
      for number in keys.indices { connect(number) }
      while core.nextEffect() != nil {}
    }

    var now: Timestamps {
      Timestamps(instant: Instant(nanoseconds: time), wall: WallTime(milliseconds: 1_700_000_000_000))
    }

    private func link(_ number: Int) -> LinkID { LinkID(number: UInt64(number) + 1) }

    private func binding(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 32) }

    /// The first peer knows one channel, the second two, and so on; after the last the numbers start over.
    func proofs(of number: Int) -> [ChannelProof] {
      MessageCostTests.channels.prefix(number % MessageCostTests.channels.count + 1).map {
        $0.secret.proof(by: keys[number].publicKey, binding: binding(number))
      }
    }

    private mutating func connect(_ number: Int) {
      core.linkOpened(
        link(number),
        LinkFacts(peer: keys[number].publicKey, dial: nil, binding: binding(number), remote: nil), at: now)
      let hello = Hello(
        label: "peer", software: "test", isBootstrap: false, clock: now.wall, proofs: proofs(of: number))
      core.received(.hello(hello), on: link(number), at: now)
    }

    /// The proofs checked and peers reviewed during `body`.
    mutating func cost(_ body: (inout World) -> Void) -> [UInt64] {
      let before = [core.checkedProofs, core.permissionReviews]
      body(&self)
      return zip([core.checkedProofs, core.permissionReviews], before).map { $0 - $1 }
    }

    mutating func nameChannels(of number: Int) {
      core.received(.channels(proofs(of: number)), on: link(number), at: now)
    }

    mutating func reconnect(_ number: Int) {
      core.linkClosed(link(number), at: now)
      connect(number)
    }
  }

  @Test(arguments: [8, 96])
  func theCostOfAPeersChannelsDependsOnTheirNumber(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(world.core.activePeers.count == peers)
    #expect(world.cost { $0.nameChannels(of: 4) } == [5, 1])
    #expect(world.core.activePeers.count == peers)
  }

  @Test(arguments: [8, 96])
  func theCostOfAHelloDependsOnItsChannels(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(world.cost { $0.reconnect(4) } == [5, 1])
    #expect(world.core.activePeers.count == peers)
  }

  @Test func aChangedChannelAffectsOnlyPeersThatKnowIt() throws {
    var world = try World(peers: 96)
    var joined = Self.channels
    // Of 12 peers, two know the channel before the last: 16 of 96.
    joined[10] = Channel(address: joined[10].address, membership: .byName, isPublic: true)
    #expect(world.cost { $0.core.setChannels(joined, at: $0.now) } == [16, 16])
    #expect(world.cost { $0.core.setChannels(joined, at: $0.now) } == [0, 0])
    joined.removeLast()
    #expect(world.cost { $0.core.setChannels(joined, at: $0.now) } == [0, 8])
    #expect(world.core.activePeers.count == 96)
  }
}

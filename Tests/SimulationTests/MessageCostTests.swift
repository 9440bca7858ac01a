import Crypto
import Discovery
import Feeds
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// The cost of a message depends on its content, not on the number of linked nodes. Otherwise one member could keep a
/// node with many links busy by naming its channels again and again.
@Suite struct MessageCostTests {
  private static let channels = (0..<12).map { Channel(address: ByteString("channel \($0)"), membership: .byName) }
  private static let feeds = 7

  /// The work caused by an input.
  struct Cost: Hashable {
    /// Proofs of peers checked.
    var proofs: UInt64 = 0
    /// Peers whose permissions were determined.
    var reviews: UInt64 = 0
    /// Records of this node signed.
    var signatures: UInt64 = 0
    /// Members for which it was decided whether to dial them.
    var targets: UInt64 = 0
    /// Subfeeds for which sources were chosen.
    var feeds: UInt64 = 0
    /// Messages to peers.
    var messages: UInt64 = 0
  }

  /// A core that follows a few feeds, and peers that have said hello and announced themselves, each on a separate link.
  private struct World {
    var core: NodeCore
    let keys: [SigningKey]
    private var time: UInt64 = 1_000_000_000
    private var messages: UInt64 = 0

    init(peers: Int) throws {
      core = NodeCore(
        NodeCoreConfiguration(key: try KeyRing.key(200), label: "node", software: "test"), random: SeededRandom(seed: 1)
      )
      keys = try (0..<peers).map { try KeyRing.key($0) }
      core.setChannels(MessageCostTests.channels, at: now)
      for number in 0..<MessageCostTests.feeds {
        let feed = FeedID(key: try KeyRing.key(201 + number).publicKey)
        let key = SubfeedKey(feed, try SubfeedHash(name: "main"))
        core.feeds(at: now) {
          $0.follow(key, over: nil, at: $1)
          $0.counted(key, 0, at: $1)
        }
      }
      for number in keys.indices {
        connect(number)
        announce(number)
      }
      drain()
    }

    var now: Timestamps {
      Timestamps(
        instant: Instant(nanoseconds: time), wall: WallTime(milliseconds: 1_700_000_000_000 + time / 1_000_000))
    }

    private mutating func drain() {
      while let effect = core.nextEffect() {
        switch effect {
        case .link(.send), .link(.feedRequest), .link(.feedAnswer): messages += 1
        default: break
        }
      }
    }

    private func link(_ number: Int) -> LinkID { LinkID(number: UInt64(number) + 1) }

    private func binding(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 32) }

    /// The first peer knows one channel, the second two, and so on; after the last the numbers start over.
    private func known(by number: Int) -> ArraySlice<Channel> {
      MessageCostTests.channels.prefix(number % MessageCostTests.channels.count + 1)
    }

    private func proofs(of number: Int) -> [ChannelProof] {
      known(by: number).map { $0.secret.proof(by: keys[number].publicKey, binding: binding(number)) }
    }

    private mutating func connect(_ number: Int) {
      core.linkOpened(
        link(number),
        LinkFacts(peer: keys[number].publicKey, dial: nil, binding: binding(number), remote: nil), at: now)
      let hello = Hello(
        label: "peer", software: "test", isBootstrap: false, clock: now.wall, proofs: proofs(of: number))
      core.received(.hello(hello), on: link(number), at: now)
    }

    /// The work done during `body`.
    mutating func cost(_ body: (inout World) -> Void) -> Cost {
      time += 5_000_000_000
      drain()
      let before = total
      body(&self)
      drain()
      return Cost(
        proofs: total.proofs - before.proofs, reviews: total.reviews - before.reviews,
        signatures: total.signatures - before.signatures, targets: total.targets - before.targets,
        feeds: total.feeds - before.feeds, messages: total.messages - before.messages)
    }

    private var total: Cost {
      Cost(
        proofs: core.checkedProofs, reviews: core.permissionReviews, signatures: core.signedRecords,
        targets: core.targetReviews, feeds: core.feedReviews, messages: messages)
    }

    mutating func nameChannels(of number: Int, _ count: Int? = nil) {
      let proofs = proofs(of: number)
      core.received(.channels(Array(proofs.prefix(count ?? proofs.count))), on: link(number), at: now)
    }

    mutating func reconnect(_ number: Int) {
      core.linkClosed(link(number), at: now)
      connect(number)
    }

    /// The peer announces itself on one channel.
    mutating func announce(_ number: Int) {
      guard let endpoint = Endpoint(host: "10.0.0.\(number)", port: 20_000) else { return }
      let record = PresenceRecord(
        node: keys[number].publicKey, topic: MessageCostTests.channels[0].topic, addresses: [.tcp(endpoint)],
        issued: now.wall, expires: now.wall + .seconds(600)
      ).signed(with: keys[number])
      core.received(.presence([record]), on: link(number), at: now)
    }

    /// The peer relays for the first of its channels, or no longer does.
    mutating func offer(_ number: Int, _ isOffered: Bool) {
      let proof = MessageCostTests.channels[0].secret.proof(by: keys[number].publicKey, binding: binding(number))
      let offers = isOffered ? [RelayOffer(channel: proof, includesData: true)] : []
      core.received(.relaying(offers), on: link(number), at: now)
    }

    mutating func wait(_ duration: Duration) { time += UInt64(duration.components.seconds) * 1_000_000_000 }
  }

  @Test(arguments: [8, 96])
  func theCostOfAPeersChannelsDependsOnTheirNumber(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(world.core.activePeers.count == peers)
    // They are known.
    #expect(world.cost { $0.nameChannels(of: 4) } == Cost())
    // It has lost a channel, and now knows it again: it is introduced to that channel's members.
    #expect(world.cost { $0.nameChannels(of: 4, 4) } == Cost(reviews: 1))
    #expect(world.cost { $0.nameChannels(of: 4) } == Cost(reviews: 1, signatures: 1, messages: 1))
    #expect(world.core.activePeers.count == peers)
  }

  @Test(arguments: [8, 96])
  func aPeerThatNamesNothingCostsNothing(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(world.cost { $0.nameChannels(of: 4, 0) } == Cost(reviews: 1))
    #expect(world.cost { $0.nameChannels(of: 4, 0) } == Cost())
  }

  /// A hello, the introductions to the peer, and a query for each followed feed. The proofs that are expected of it are
  /// computed once: one for each of the node's own channels.
  @Test(arguments: [8, 96])
  func theCostOfAHelloDependsOnTheChannels(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(
      world.cost { $0.reconnect(4) }
        == Cost(proofs: 12, reviews: 1, signatures: 5, messages: 2 + UInt64(Self.feeds)))
    #expect(world.core.activePeers.count == peers)
  }

  @Test(arguments: [8, 96])
  func aRecordOfOneMemberAffectsOnlyThatOne(_ peers: Int) throws {
    var world = try World(peers: peers)
    #expect(world.cost { $0.announce(4) } == Cost(targets: 1))
  }

  /// A peer that offers to relay, and takes that back, again and again, makes this node send its records once in a while.
  @Test(arguments: [12, 96])
  func aRelayThatChangesItsMindIsAnnouncedSeldom(_ peers: Int) throws {
    var world = try World(peers: peers)
    let first = world.cost { $0.offer(4, true) }
    #expect(first.signatures == 12 && first.targets == UInt64(peers))
    let repeated = world.cost { world in
      for _ in 0..<100 {
        world.offer(4, false)
        world.offer(4, true)
      }
    }
    #expect(repeated == first)
    #expect(world.cost { $0.offer(4, true) } == Cost())
  }

  /// Each record is signed once, however many peers receive it.
  @Test(arguments: [12, 96])
  func anAnnouncementIsSignedOnce(_ peers: Int) throws {
    var world = try World(peers: peers)
    world.wait(NodeCore.announcePeriod)
    let cost = world.cost { $0.core.wake(at: $0.now) }
    #expect(cost.signatures == 12)
    #expect(cost.proofs == 0 && cost.reviews == 0 && cost.targets == UInt64(peers))
  }

  @Test func aChangedChannelAffectsOnlyPeersThatKnowIt() throws {
    var world = try World(peers: 96)
    var joined = Self.channels
    // Of 12 peers, two know the channel before the last: 16 of 96.
    joined[10] = Channel(address: joined[10].address, membership: .byName, isPublic: true)
    let changed = world.cost { $0.core.setChannels(joined, at: $0.now) }
    #expect(changed.proofs == 0 && changed.reviews == 16 && changed.feeds == 0)
    #expect(world.cost { $0.core.setChannels(joined, at: $0.now) } == Cost())
    joined.removeLast()
    let left = world.cost { $0.core.setChannels(joined, at: $0.now) }
    #expect(left.proofs == 0 && left.reviews == 8 && left.feeds == 0)
    #expect(world.core.activePeers.count == 96)
  }
}

import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// What a node's messages reveal of its channels: to strangers nothing, to members only the channels that they share,
/// and to bootstrap nodes the topics.
@Suite struct TopicSecrecyTests {
  private static let now = Timestamps(
    instant: Instant(nanoseconds: 1_000_000_000), wall: WallTime(milliseconds: 1_700_000_000_000))
  private static let channels = ["lab", "secret project", "course"].map { name in
    Channel(address: ByteString(name), membership: .byName)
  }
  private static let bootstrap = Endpoint(host: "192.0.2.9", port: 15_351)

  /// A node with three channels, and what it sends.
  private struct World {
    var core: NodeCore
    private var sent: [LinkID: [ControlMessage]] = [:]
    private(set) var dials: [DialID] = []

    init(isBootstrap: Bool = false) throws {
      core = NodeCore(
        NodeCoreConfiguration(
          key: try KeyRing.key(0), label: "node", software: "test", isBootstrap: isBootstrap,
          bootstraps: [try #require(TopicSecrecyTests.bootstrap)]), random: SeededRandom(seed: 1))
      core.setAddresses([], port: 4_000, at: TopicSecrecyTests.now)
      core.setChannels(TopicSecrecyTests.channels, at: TopicSecrecyTests.now)
      drain()
    }

    mutating func drain() {
      while let effect = core.nextEffect() {
        switch effect {
        case .link(.send(let link, let message)): sent[link, default: []].append(message)
        case .link(.dial(let dial, _, _)): dials.append(dial)
        default: break
        }
      }
    }

    /// Opens a link to a node that says hello with the proofs of these channels; returns what it is sent.
    mutating func meet(
      _ number: UInt64, knowing channels: [Channel] = [], dial: DialID? = nil, isBootstrap: Bool = false
    ) throws -> [ControlMessage] {
      let (key, link) = (try KeyRing.key(Int(number)), LinkID(number: number))
      let binding = Self.binding(number)
      core.linkOpened(
        link, LinkFacts(peer: key.publicKey, dial: dial, binding: binding, remote: nil), at: TopicSecrecyTests.now)
      let proofs = channels.map { $0.secret.proof(by: key.publicKey, binding: binding) }
      core.received(
        .hello(
          Hello(
            label: "other", software: "test", isBootstrap: isBootstrap, clock: TopicSecrecyTests.now.wall,
            proofs: proofs)), on: link, at: TopicSecrecyTests.now)
      drain()
      return messages(to: number)
    }

    func messages(to number: UInt64) -> [ControlMessage] { sent[LinkID(number: number)] ?? [] }

    static func binding(_ number: UInt64) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 32) }
  }

  /// The channels whose topics the messages contain.
  private func told(_ messages: [ControlMessage]) -> [Channel] {
    let bytes = messages.map(\.encoded)
    return Self.channels.filter { channel in
      bytes.contains { message in
        message.indices.dropLast(Topic.byteCount - 1).contains {
          message[$0..<$0 + Topic.byteCount].elementsEqual(channel.topic.bytes)
        }
      }
    }
  }

  private func proofs(_ messages: [ControlMessage]) -> Set<ChannelProof> {
    for case .hello(let hello) in messages { return Set(hello.proofs) }
    return []
  }

  @Test func aStrangerIsToldNoTopicAndRecognizesNothingOnAnotherLink() throws {
    var world = try World()
    let (first, second) = (try world.meet(1), try world.meet(2))
    #expect(told(first + second).isEmpty)
    #expect(proofs(first).count == 3 && proofs(second).count == 3)
    #expect(proofs(first).isDisjoint(with: proofs(second)))
    // It can name topics, and learns nothing from the answer.
    world.core.received(.topics(Self.channels.map(\.topic)), on: LinkID(number: 1), at: Self.now)
    world.drain()
    #expect(told(world.messages(to: 1)).isEmpty)
  }

  @Test func aMemberIsToldOnlyTheChannelsThatItShares() throws {
    var world = try World()
    let messages = try world.meet(1, knowing: [Self.channels[0]])
    #expect(told(messages) == [Self.channels[0]], "in the node's own record")
    world.core.setChannels(Array(Self.channels.prefix(2)), at: Self.now)
    world.drain()
    #expect(told(world.messages(to: 1)) == [Self.channels[0]])
  }

  /// A question to a member names the channel by a value that holds on its link only.
  @Test func aQuestionNamesItsChannelByTheProof() throws {
    var world = try World()
    _ = try world.meet(1, knowing: [Self.channels[0]])
    _ = try world.meet(2, knowing: [Self.channels[0]])
    let node = try KeyRing.key(0).publicKey
    for number in [1, 2] as [UInt64] {
      let proof = Self.channels[0].secret.proof(by: node, binding: World.binding(number))
      #expect(world.core.proof(of: Self.channels[0].topic, on: LinkID(number: number)) == proof)
      #expect(proofs(world.messages(to: number)).contains(proof))
      let peer = try KeyRing.key(Int(number)).publicKey
      let theirs = Self.channels[0].secret.proof(by: peer, binding: World.binding(number))
      #expect(world.core.mayServe(LinkID(number: number), over: theirs))
      #expect(!world.core.mayServe(LinkID(number: 3 - number), over: theirs), "the proof of another link")
      #expect(!world.core.mayServe(LinkID(number: number), over: proof), "this node's own proof")
      let unproved = Self.channels[1].secret.proof(by: peer, binding: World.binding(number))
      #expect(!world.core.mayServe(LinkID(number: number), over: unproved))
    }
  }

  @Test func onlyANodeDialedAsBootstrapNodeIsToldTheTopics() throws {
    var world = try World()
    // A member, too, may say of itself that it is one.
    let claimant = try world.meet(1, knowing: [Self.channels[0]], isBootstrap: true)
    #expect(told(claimant) == [Self.channels[0]], "its own statement is not trusted")
    let dial = try #require(world.dials.first)
    let topics = Self.channels.map(\.topic).sorted()
    let messages = try world.meet(2, dial: dial, isBootstrap: true)
    #expect(messages.contains(.topics(topics)))
    // The records name the topics, which the bootstrap node must know by then.
    let named = messages.firstIndex(of: .topics(topics))
    let recorded = messages.firstIndex { if case .presence = $0 { true } else { false } }
    #expect(try #require(named) < #require(recorded))
    world.core.setChannels([Self.channels[1]], at: Self.now)
    world.drain()
    #expect(world.messages(to: 2).contains(.topics([Self.channels[1].topic])))
    #expect(!world.messages(to: 1).contains { if case .topics = $0 { true } else { false } })
  }

  @Test func aBootstrapNodeIntroducesByTheNamedTopics() throws {
    var world = try World(isBootstrap: true)
    world.core.setChannels([], at: Self.now)
    _ = try (1...3).map { try world.meet($0) }
    let topic = Self.channels[0].topic
    for number in [1, 2] as [UInt64] {
      world.core.received(.topics([topic]), on: LinkID(number: number), at: Self.now)
    }
    let record = PresenceRecord(
      node: try KeyRing.key(1).publicKey, topic: topic, addresses: [], issued: Self.now.wall,
      expires: Self.now.wall + .seconds(600)
    ).signed(with: try KeyRing.key(1))
    world.core.received(.presence([record]), on: LinkID(number: 1), at: Self.now)
    world.drain()
    #expect(world.messages(to: 2).contains(.presence([record])))
    #expect(!world.messages(to: 3).contains { if case .presence = $0 { true } else { false } })
    // Whoever names the topic later is introduced then.
    world.core.received(.topics([topic]), on: LinkID(number: 3), at: Self.now)
    world.drain()
    #expect(world.messages(to: 3).contains(.presence([record])))
  }
}

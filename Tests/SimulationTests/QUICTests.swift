import Crypto
import Discovery
import NodeCore
import Primitives
import Testing
import Wire

/// When a node uses QUIC beside TCP, and which of the two it prefers.
@Suite struct QUICTests {
  private static let channel = Channel(address: "quic", membership: .byName)
  private let place: Endpoint
  private let quicPlace: Address
  private let other: SigningKey
  private static let dial = DialID(number: 77)

  /// A node and the time at which it lives.
  private struct Node {
    var core: NodeCore
    var seconds = 0

    var now: Timestamps {
      Timestamps(
        instant: Instant(nanoseconds: 1) + .seconds(seconds),
        wall: WallTime(milliseconds: 1_700_000_000_000) + .seconds(seconds))
    }

    /// What the node wants to be done since the last call.
    mutating func effects() -> [LinkEffect] {
      var effects: [LinkEffect] = []
      while let effect = core.nextEffect() { if case .link(let effect) = effect { effects.append(effect) } }
      return effects
    }

    mutating func dials() -> [(id: DialID, address: Address)] {
      effects().compactMap { if case .dial(let id, let address, _) = $0 { (id, address) } else { nil } }
    }

    /// The link in use.
    func used(to node: NodeID) -> LinkID? {
      core.activePeers.first { $0.node == node }?.paths.first { $0.isUsed }?.link
    }
  }

  init() throws {
    place = try #require(Endpoint(host: "203.0.113.9", port: 5_000))
    quicPlace = try #require(Address("quic://203.0.113.9:6000"))
    // A node with the smaller ID decides.
    other = try Self.keys()[1]
  }

  private static func keys() throws -> [SigningKey] {
    try [KeyRing.key(0), KeyRing.key(1)].sorted { $0.publicKey < $1.publicKey }
  }

  private func node(uses: Bool = true, prefers: Bool = true) throws -> Node {
    var configuration = NodeCoreConfiguration(key: try Self.keys()[0], label: "own", software: "test")
    configuration.usesQUIC = uses
    configuration.prefersQUIC = prefers
    var node = Node(core: NodeCore(configuration, random: SystemRandomNumberGenerator()))
    node.core.setAddresses([], port: 4_000, quicPort: uses ? 4_001 : nil, at: node.now)
    node.core.setChannels([Self.channel], at: node.now)
    return node
  }

  /// Opens a link and lets its peer say hello.
  private func open(
    _ number: UInt64, to remote: Address, dial: DialID?, of node: inout Node, features: UInt64 = 0,
    measured milliseconds: Int? = nil
  ) throws {
    let binding = [UInt8](repeating: UInt8(number), count: 32)
    let facts = LinkFacts(peer: other.publicKey, dial: dial, binding: binding, remote: remote)
    let link = LinkID(number: number)
    node.core.linkOpened(link, facts, at: node.now)
    if let milliseconds { measure(number, milliseconds, of: &node) }
    var hello = Hello(
      label: "other", software: "test", isBootstrap: false, clock: node.now.wall, addresses: [.tcp(place), quicPlace],
      proofs: [Self.channel.secret.proof(by: other.publicKey, binding: binding)])
    hello.features |= features
    node.core.received(.hello(hello), on: link, at: node.now)
  }

  private func measure(_ number: UInt64, _ milliseconds: Int, of node: inout Node) {
    node.core.linkMeasured(
      LinkID(number: number), LinkMeasurement(roundTrip: .milliseconds(milliseconds), isIdle: true), at: node.now)
  }

  @Test(arguments: [
    (own: true, peer: false, milliseconds: 50, dials: true), (false, true, 50, true), (false, false, 50, false),
    (true, true, 4, false), (true, false, 5, true),
  ])
  func quicIsDialedBesideALongPathIfOneOfTheTwoPrefersIt(
    own: Bool, peer: Bool, milliseconds: Int, dials: Bool
  ) throws {
    var node = try node(prefers: own)
    try open(
      1, to: .tcp(place), dial: Self.dial, of: &node, features: peer ? Hello.prefersQUIC : 0)
    _ = node.effects()
    measure(1, milliseconds, of: &node)
    #expect(node.dials().map(\.address) == (dials ? [quicPlace] : []))
    // Once.
    measure(1, milliseconds, of: &node)
    #expect(node.dials().isEmpty)
  }

  @Test func theRoundTripMayBeKnownBeforeThePeer() throws {
    var node = try node()
    try open(1, to: .tcp(place), dial: Self.dial, of: &node, measured: 50)
    #expect(node.dials().map(\.address) == [quicPlace])
  }

  @Test func onlyTheDialerDialsByQUIC() throws {
    var node = try node()
    try open(1, to: .tcp(place), dial: nil, of: &node)
    measure(1, 50, of: &node)
    #expect(node.dials().isEmpty)
  }

  @Test func aNodeWithoutQUICNeitherDialsNorAnnouncesIt() throws {
    var node = try node(uses: false)
    try open(1, to: .tcp(place), dial: Self.dial, of: &node, features: Hello.prefersQUIC)
    measure(1, 50, of: &node)
    #expect(node.dials().isEmpty)
  }

  @Test(arguments: [(50, true), (1, false)]) func theBetterTransportIsUsed(_ milliseconds: Int, isQUIC: Bool) throws {
    var node = try node()
    try open(1, to: .tcp(place), dial: nil, of: &node)
    try open(2, to: quicPlace, dial: nil, of: &node)
    for _ in 0..<100 {
      node.seconds += 1
      measure(1, milliseconds, of: &node)
      measure(2, milliseconds, of: &node)
    }
    #expect(node.used(to: other.publicKey) == LinkID(number: isQUIC ? 2 : 1))
  }

  @Test func withBBRInBothKernelsTCPIsUsed() throws {
    var node = try node(prefers: false)
    try open(1, to: quicPlace, dial: nil, of: &node)
    try open(2, to: .tcp(place), dial: nil, of: &node)
    for _ in 0..<100 {
      node.seconds += 1
      measure(1, 50, of: &node)
      measure(2, 50, of: &node)
    }
    #expect(node.used(to: other.publicKey) == LinkID(number: 2))
  }

  @Test func aNodeSaysWhatItPrefersAndWhereItAcceptsQUIC() throws {
    for prefers in [true, false] {
      var node = try node(prefers: prefers)
      let host = try #require(IPAddress("198.51.100.7"))
      let network = try #require(IPNetwork(of: host, length: 24))
      node.core.setLocalNetwork(LocalNetwork(hosts: ["198.51.100.7"], networks: [network]), at: node.now)
      try open(1, to: .tcp(place), dial: nil, of: &node)
      let hellos = node.effects().compactMap { effect -> Hello? in
        if case .send(_, .hello(let hello)) = effect { hello } else { nil }
      }
      #expect(hellos.map { $0.features & Hello.prefersQUIC != 0 } == [prefers])
      #expect(hellos[0].addresses.map(\.description) == ["198.51.100.7:4000", "quic://198.51.100.7:4001"])
    }
  }

  /// A node that TCP does not reach is reached by QUIC.
  @Test func addressesOfQUICAreDialedAfterTheOthers() throws {
    var node = try node(prefers: false)
    let record = PresenceRecord(
      node: other.publicKey, topic: Self.channel.topic, addresses: [quicPlace, .tcp(place)], issued: node.now.wall,
      expires: node.now.wall + .seconds(600)
    ).signed(with: other)
    let friend = try KeyRing.key(2)
    let binding = [UInt8](repeating: 9, count: 32)
    node.core.linkOpened(
      LinkID(number: 9), LinkFacts(peer: friend.publicKey, dial: nil, binding: binding, remote: nil), at: node.now)
    let proof = Self.channel.secret.proof(by: friend.publicKey, binding: binding)
    node.core.received(
      .hello(
        Hello(
          label: "friend", software: "test", isBootstrap: false, clock: node.now.wall,
          proofs: [proof])), on: LinkID(number: 9), at: node.now)
    node.core.received(.presence([record]), on: LinkID(number: 9), at: node.now)
    var dialed = node.dials().map(\.address)
    for _ in 0..<3 {
      node.seconds += 1
      node.core.wake(at: node.now)
      dialed += node.dials().map(\.address)
    }
    #expect(dialed == [.tcp(place), quicPlace])
  }
}

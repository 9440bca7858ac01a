import Crypto
import Discovery
import NodeCore
import Primitives
import Testing
import Wire

/// How a node learns its outside endpoint for UDP from a bootstrap node, and what it does with it.
@Suite struct DatagramTests {
  private static let channel = Channel(address: "udp", membership: .byName)
  private let now = Timestamps(instant: Instant(nanoseconds: 1_000), wall: WallTime(milliseconds: 1_700_000_000_000))
  private let place: Endpoint
  private let outside: Endpoint

  init() throws {
    place = try #require(Endpoint("192.0.2.1:443"))
    outside = try #require(Endpoint("203.0.113.7:4242"))
  }

  private func core(_ number: Int, isBootstrap: Bool = false, punches: Bool = true, quicPort: UInt16? = 4_001) throws
    -> NodeCore
  {
    var configuration = NodeCoreConfiguration(
      key: try KeyRing.key(number), label: "node \(number)", software: "test", isBootstrap: isBootstrap,
      bootstraps: isBootstrap ? [] : [place])
    configuration.usesQUIC = true
    configuration.punches = punches
    var core = NodeCore(configuration, random: SystemRandomNumberGenerator())
    core.setAddresses(isBootstrap ? [place] : [], port: 4_000, quicPort: quicPort, at: now)
    core.setChannels([Self.channel], at: now)
    return core
  }

  private func effects(_ core: inout NodeCore) -> [LinkEffect] {
    var effects: [LinkEffect] = []
    while let effect = core.nextEffect() { if case .link(let effect) = effect { effects.append(effect) } }
    return effects
  }

  private func probes(_ effects: [LinkEffect]) -> [ProbeDatagram] {
    effects.compactMap { if case .probe(let datagram) = $0 { datagram } else { nil } }
  }

  private func sent(_ effects: [LinkEffect]) -> [ControlMessage] {
    effects.compactMap { if case .send(_, let message) = $0 { message } else { nil } }
  }

  /// Links a node to a bootstrap node, which it has dialed; returns what the node does then.
  private func link(_ node: inout NodeCore, to bootstrap: inout NodeCore) throws -> [LinkEffect] {
    let dials = effects(&node).compactMap { effect -> DialID? in
      if case .dial(let id, .tcp(place), _) = effect { id } else { nil }
    }
    let dial = try #require(dials.first)
    let binding = [UInt8](repeating: 3, count: 32)
    let (near, far) = (LinkID(number: 1), LinkID(number: 2))
    let ends = [
      LinkFacts(peer: bootstrap.node, dial: dial, binding: binding, remote: .tcp(place)),
      LinkFacts(peer: node.node, dial: nil, binding: binding, remote: .tcp(outside)),
    ]
    node.linkOpened(near, ends[0], at: now)
    bootstrap.linkOpened(far, ends[1], at: now)
    let hellos = [sent(effects(&bootstrap)), sent(effects(&node))]
    for message in hellos[0] { node.received(message, on: near, at: now) }
    for message in hellos[1] { bootstrap.received(message, on: far, at: now) }
    _ = effects(&bootstrap)
    return effects(&node)
  }

  /// What the node says about itself to a node that it reaches through a relay.
  private func reach(of node: inout NodeCore, features: UInt64 = Hello.punching) throws -> Reach {
    let other = try KeyRing.key(7)
    let binding = [UInt8](repeating: 8, count: 32)
    let link = LinkID(number: 9)
    let facts = LinkFacts(
      peer: other.publicKey, dial: nil, binding: binding, remote: .relay(try KeyRing.key(1).publicKey), path: .relayed)
    node.linkOpened(link, facts, at: now)
    var hello = Hello(
      label: "other", software: "test", isBootstrap: false, clock: now.wall,
      proofs: [Self.channel.secret.proof(by: other.publicKey, binding: binding)])
    hello.features |= features
    node.received(.hello(hello), on: link, at: now)
    let reaches = sent(effects(&node)).compactMap { if case .reach(let reach) = $0 { reach } else { nil } }
    return try #require(reaches.last)
  }

  @Test func aNodeSaysWhereItsDatagramsAreSeen() throws {
    var (node, bootstrap) = (try core(0), try core(1, isBootstrap: true))
    let asked = probes(try link(&node, to: &bootstrap))
    #expect(asked.map(\.endpoint.description) == ["192.0.2.1:4001"])
    bootstrap.receivedProbe(asked[0].bytes, from: outside, at: now)
    let answers = probes(effects(&bootstrap))
    #expect(answers.map(\.endpoint) == [outside] && answers.map(\.bytes.count) == asked.map(\.bytes.count))
    // Neither a stranger's datagram nor a repeated question gets an answer.
    bootstrap.receivedProbe(asked[0].bytes, from: outside, at: now)
    bootstrap.receivedProbe([0x0B, 0x6B, 0x61, 0x63, 5] + [UInt8](repeating: 0, count: 59), from: outside, at: now)
    #expect(probes(effects(&bootstrap)).isEmpty)
    node.receivedProbe(answers[0].bytes, from: place, at: now)
    let reach = try reach(of: &node)
    #expect(reach.ways == [.tcp, .udp, .guessing])
    let udp = reach.candidates.filter { $0.transport == .udp && $0.kind == .seen }
    #expect(udp.compactMap(\.endpoint) == [outside])
  }

  /// Nobody is asked without need: without a port for QUIC, or if nothing would be done with the answer.
  @Test func nobodyIsAskedWithoutNeed() throws {
    for (punches, quicPort, isServed) in [(false, 4_001, true), (true, nil, true), (true, 4_001, false)]
      as [(Bool, UInt16?, Bool)]
    {
      var node = try core(0, punches: punches, quicPort: quicPort)
      var bootstrap = try core(1, isBootstrap: true, quicPort: isServed ? 4_001 : nil)
      #expect(probes(try link(&node, to: &bootstrap)).isEmpty)
    }
  }

  @Test func withoutQUICThereIsNoWayOverUDP() throws {
    var (node, bootstrap) = (try core(0, quicPort: nil), try core(1, isBootstrap: true))
    _ = try link(&node, to: &bootstrap)
    let reach = try reach(of: &node)
    #expect(reach.ways == .tcp && reach.candidates.allSatisfy { $0.transport == .tcp })
  }

  /// A bootstrap node that does not answer means that UDP does not leave the network.
  @Test func silenceLeavesUDPOut() throws {
    var (node, bootstrap) = (try core(0), try core(1, isBootstrap: true))
    var asked = probes(try link(&node, to: &bootstrap)).count
    for tenth in 1...20 {
      node.wake(at: Timestamps(instant: now.instant + .milliseconds(100 * tenth), wall: now.wall))
      asked += probes(effects(&node)).count
    }
    #expect(asked == 3)
    let reach = try reach(of: &node)
    #expect(reach.ways == .tcp && reach.udp == .none)
  }
}

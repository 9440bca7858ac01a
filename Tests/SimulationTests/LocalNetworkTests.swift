import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing

/// Nodes of one local network, which know no bootstrap node, or none that answers.
@Suite struct SimulatedLocalNetworkTests {
  private static let seeds: Range<UInt64> = 0..<10
  private static let channels = (0..<4).map { Channel(address: "channel \($0)", membership: .byName) }

  private func network(seed: UInt64) -> SimNetwork {
    let network = SimNetwork(seed: seed)
    network.multicast = SimMulticast(network)
    return network
  }

  /// Adds nodes with one to three channels each, and starts them one after the other.
  private func start(_ count: Int, in network: SimNetwork, bootstraps: [SimNode] = []) throws -> [SimNode] {
    let nodes = try (0..<count).map { try network.addNode("node \($0)", bootstraps: bootstraps) }
    for node in nodes {
      _ = network.clock.run(for: .milliseconds(network.random.number(0...2_000)))
      node.start(Array(Self.channels.shuffled(using: &network.random).prefix(network.random.number(1...3))))
    }
    return nodes
  }

  private func pairs(_ nodes: [SimNode]) -> [(SimNode, SimNode)] {
    nodes.indices.flatMap { first in nodes[(first + 1)...].map { (nodes[first], $0) } }
  }

  private func shareChannel(_ one: SimNode, _ other: SimNode) -> Bool {
    !Set(one.channels.map(\.topic)).isDisjoint(with: other.channels.map(\.topic))
  }

  @Test(arguments: seeds)
  func allMembersAreLinkedWithinASecond(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let nodes = try start(8, in: network)
    _ = network.clock.run(for: .seconds(1))
    for (one, other) in pairs(nodes) {
      #expect(one.isLinked(to: other) == shareChannel(one, other), "seed \(seed): \(one.name), \(other.name)")
    }
    // Later announcements change nothing.
    _ = network.clock.run(for: .seconds(200))
    for (one, other) in pairs(nodes) {
      #expect(network.countLinks(between: one, and: other) == (shareChannel(one, other) ? 1 : 0), "seed \(seed)")
    }
    #expect(network.multicast.map { $0.answers > 0 && $0.answerBytes <= $0.announcementBytes } == true)
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func anUnreachableBootstrapNodeDelaysNothing(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let outside = try network.addNode("outside", isBootstrap: true)
    network.multicast?.absent.insert(outside.id)
    outside.start([])
    network.isolate(outside)
    let nodes = try start(4, in: network, bootstraps: [outside])
    _ = network.clock.run(for: .seconds(1))
    for (one, other) in pairs(nodes) {
      #expect(one.isLinked(to: other) == shareChannel(one, other), "seed \(seed): \(one.name), \(other.name)")
    }
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func lostDatagramsAreMadeUpFor(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    network.multicast?.loss = 40
    let nodes = try start(6, in: network)
    let wanted = pairs(nodes).filter { shareChannel($0, $1) }
    let isDone = network.clock.run(for: .seconds(240)) { wanted.allSatisfy { $0.isLinked(to: $1) } }
    #expect(isDone, "seed \(seed)")
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func aChannelThatIsJoinedLaterLeadsToLinks(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let nodes = try (0..<3).map { try network.addNode("node \($0)") }
    for node in nodes { node.start([]) }
    _ = network.clock.run(for: .seconds(60))
    #expect(network.multicast?.announcements == 0, "a node without a channel announces itself")
    for node in nodes { node.join([Self.channels[0]]) }
    _ = network.clock.run(for: .seconds(1))
    #expect(pairs(nodes).allSatisfy { $0.isLinked(to: $1) }, "seed \(seed)")
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func aNodeThatDoesNotTakePartIsNotFound(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let nodes = try (0..<3).map { try network.addNode("node \($0)") }
    network.multicast?.absent.insert(nodes[0].id)
    for node in nodes { node.start([Self.channels[0]]) }
    _ = network.clock.run(for: .seconds(60))
    #expect(nodes[1].isLinked(to: nodes[2]), "seed \(seed)")
    #expect(network.links(between: nodes[0], and: nodes[1]).isEmpty, "seed \(seed)")
    #expect(network.dialed[.tcp(nodes[0].endpoint)] == nil, "seed \(seed)")
    #expect(network.complaints == [], "seed \(seed)")
  }

  // MARK: Strangers

  /// Announcements of a member of another network, as a stranger could record them there.
  private func recorded(_ count: Int, seed: UInt64, port: UInt16 = 20_000) throws -> [[UInt8]] {
    var announcer = LocalAnnouncer(random: SeededRandom(seed: seed &+ 1_000))
    var now = Instant(nanoseconds: 0)
    announcer.setPort(port, at: now)
    let address = try #require(IPAddress("10.9.9.9"))
    let network = try #require(IPNetwork(of: address, length: 24))
    announcer.setPlaces([LocalPlace(host: "10.9.9.9", address: address, network: network, zone: nil)], at: now)
    announcer.setChannels([Self.channels[0].secret], at: now)
    return try (0..<count).map { _ in
      now = try #require(announcer.wakeAt)
      let actions = announcer.wake(at: now)
      guard case .announce(let datagram)? = actions.first else { throw WrongAction() }
      return datagram
    }
  }

  private struct WrongAction: Error {}

  /// Members whose addresses are smaller than that of the stranger, so that they would dial it.
  private func membersAndStranger(in network: SimNetwork) throws -> ([SimNode], SimNode) {
    let members = try (0..<3).map { try network.addNode("member \($0)") }
    let stranger = try network.addNode("stranger")
    for member in members { member.start([Self.channels[0]]) }
    stranger.start([Self.channels[1]])
    _ = network.clock.run(for: .seconds(5))
    return (members, stranger)
  }

  @Test(arguments: seeds)
  func aRepeatedAnnouncementCostsOneHandshake(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let (members, stranger) = try membersAndStranger(in: network)
    let datagram = try recorded(1, seed: seed)[0]
    for _ in 0..<100 {
      for member in members { network.multicast?.deliver(datagram, from: stranger.endpoint.host, to: member) }
      _ = network.clock.run(for: .milliseconds(500))
    }
    let dials = try #require(network.dialed[.tcp(stranger.endpoint)])
    #expect(dials.map { $0.dialer }.sorted() == members.map(\.id).sorted(), "seed \(seed)")
    for member in members {
      #expect(network.links(between: member, and: stranger).isEmpty, "seed \(seed)")
      #expect(stranger.learnt.isEmpty, "seed \(seed): it was told of a member")
    }
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func repeatedAnnouncementsCauseOneDialOfAnAddressInTenSeconds(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let (members, stranger) = try membersAndStranger(in: network)
    // The stranger itself, hosts where nothing listens, and one in another network.
    let hosts = [stranger.endpoint.host, "10.0.0.77", "10.0.0.200", "192.0.2.1"]
    for datagram in try recorded(300, seed: seed) {
      for member in members {
        network.multicast?.deliver(datagram, from: hosts[network.random.number(0...3)], to: member)
      }
      _ = network.clock.run(for: .milliseconds(150))
    }
    for host in hosts.dropLast() {
      let address = try #require(Endpoint(host: host, port: 20_000).map { Address.tcp($0) })
      for member in members {
        let times = (network.dialed[address] ?? []).filter { $0.dialer == member.id }.map { $0.at }
        #expect((3...5).contains(times.count), "seed \(seed): \(times.count) dials of \(host) in 45 s")
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 >= .seconds(10) }, "seed \(seed)")
      }
    }
    #expect(network.dialed.keys.allSatisfy { $0.tcpEndpoint?.host != "192.0.2.1" }, "seed \(seed)")
    #expect(network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func forgedAnnouncementsCauseNothing(_ seed: UInt64) throws {
    let network = network(seed: seed)
    defer { network.dismantle() }
    let (members, stranger) = try membersAndStranger(in: network)
    let before = network.multicast?.answers
    for datagram in try recorded(100, seed: seed) {
      // Other random bytes, so that the tags are those of no channel.
      let forged = datagram.prefix(5) + network.random.bytes(16) + datagram.dropFirst(21)
      let changed = network.random.mutated(Array(datagram.prefix(21))) + datagram.dropFirst(21)
      for member in members where changed != datagram {
        for bytes in [Array(forged), changed] {
          network.multicast?.deliver(bytes, from: stranger.endpoint.host, to: member)
        }
      }
      _ = network.clock.run(for: .milliseconds(20))
    }
    #expect(network.dialed[.tcp(stranger.endpoint)] == nil, "seed \(seed)")
    #expect(network.multicast?.answers == before, "seed \(seed)")
    #expect(network.complaints == [], "seed \(seed)")
  }
}

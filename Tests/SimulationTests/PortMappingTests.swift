import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Traversal

/// Whole nodes whose routers lead ports to them.
@Suite struct SimulatedPortMappingTests {
  /// Two bootstrap nodes in the internet, and two members behind routers; the first one asks its router.
  private struct Place {
    let network: SimNetwork
    let relays: [SimNode]
    let members: [SimNode]

    init(_ answer: @escaping (PortMappingQuestion) -> PortMappingAnswer) throws {
      network = SimNetwork(seed: 1)
      let network = network
      let relays = try (0..<2).map {
        try network.addNode(
          "relay \($0)", isBootstrap: true, on: SimHost("192.0.2.\($0 + 1)", in: network.internet))
      }
      self.relays = relays
      members = try (1...2).map { number in
        try network.addNode(
          "member \(number)", bootstraps: relays, on: NATKind.port.host(number, port: 15_351, in: network.internet))
      }
      members[0].router.answer = answer
      let router = MappingLease.Router(
        gateway: try #require(IPAddress("192.168.1.1")), interface: "eth0", own: try #require(IPAddress("192.168.1.2")))
      for node in relays + members {
        node.start([Lab.channel])
        node.input { core, now in
          core.setMappingMethods([.natPMP, .upnp], at: now)
          core.setRouter(router, at: now)
        }
      }
      run(for: .seconds(20))
    }

    func run(for time: Duration) { _ = network.clock.run(for: time) }

    func state(of node: SimNode) -> MappingLease.State { node.core.networkSummary(at: node.now).mapping }

    /// What the first member announces, according to the second one.
    var announced: [Address] { members[1].announced[members[0].id] ?? [] }
  }

  private static func grant(_ question: PortMappingQuestion) -> PortMappingAnswer {
    .granted(outside: IPAddress("198.51.100.7"), port: question.outerPort, lifetime: question.lifetime)
  }

  @Test func theMappedAddressIsAnnouncedFirst() throws {
    let place = try Place(Self.grant)
    defer { place.network.dismantle() }
    let endpoint = try #require(Endpoint("198.51.100.7:15351"))
    #expect(place.state(of: place.members[0]) == .mapped(.natPMP, endpoint))
    #expect(place.announced.first == .tcp(endpoint))
    #expect(place.members[0].router.questions.count == 1)
    #expect(place.members[0].core.mappingRemovals.first?.outerPort == 15_351)
    // Nodes that are not behind a router ask none.
    #expect(place.relays.allSatisfy { $0.router.questions.isEmpty && place.state(of: $0) == .unneeded })
    // It is renewed, and stays announced.
    place.run(for: .seconds(8_000))
    #expect(place.members[0].router.questions.count == 3)
    #expect(place.announced.first == .tcp(endpoint))
    #expect(place.network.complaints == [])
  }

  @Test func aMappingThatEndsIsNotAnnouncedAnyMore() throws {
    let place = try Place(Self.grant)
    defer { place.network.dismantle() }
    place.members[0].router.answer = { _ in .silent }
    place.run(for: .seconds(7_300))
    let endpoint = try #require(Endpoint("198.51.100.7:15351"))
    #expect(!place.announced.contains(.tcp(endpoint)) && !place.announced.isEmpty)
    #expect(place.state(of: place.members[0]) == .failed([.natPMP: .silent, .upnp: .silent]))
    place.members[0].router.answer = Self.grant
    place.run(for: .seconds(700))
    #expect(place.announced.first == .tcp(endpoint))
    #expect(place.network.complaints == [])
  }

  /// All bootstrap nodes are lost and come back: the router may have been restarted.
  @Test func theRouterIsAskedAgainWhenTheLinksComeBack() throws {
    let place = try Place(Self.grant)
    defer { place.network.dismantle() }
    place.run(for: .seconds(100))
    let before = place.members[0].router.questions.count
    for relay in place.relays {
      for link in relay.links.values { link.cut() }
    }
    place.run(for: .seconds(60))
    #expect(place.members[0].router.questions.count == before + 1)
    #expect(place.network.complaints == [])
  }
}

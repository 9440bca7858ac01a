import NodeCore
import Primitives
import TestSupport
import Testing

/// What a node knows about its network.
@Suite struct NetworkSummaryTests {
  /// Two members that no other node can dial, and a bootstrap node that all use.
  struct Site {
    let network: SimNetwork
    let hub: SimNode
    let members: [SimNode]

    init(seed: UInt64, hubRelays: Bool = true, areBehindNAT: Bool = true) throws {
      network = SimNetwork(seed: seed)
      let network = network
      let hub = try network.addNode("hub", isBootstrap: true, relays: hubRelays)
      self.hub = hub
      members = try (0..<2).map { try network.addNode("node \($0)", bootstraps: [hub]) }
      hub.start([Lab.channel])
      for member in members {
        member.isBehindNAT = areBehindNAT
        member.start([Lab.channel])
      }
      _ = network.clock.run(for: .seconds(40))
    }

    func summary(of node: SimNode) -> NetworkSummary { node.core.networkSummary(at: node.now) }
  }

  @Test(arguments: 0..<4 as Range<UInt64>) func membersAreCountedByTheirPaths(seed: UInt64) throws {
    let direct = try Site(seed: seed, areBehindNAT: false)
    defer { direct.network.dismantle() }
    let seen = direct.summary(of: direct.members[0])
    #expect(seen.channels.map { [$0.direct, $0.relayed, $0.unlinked] } == [[2, 0, 0]])
    let bootstrap = try #require(seen.bootstraps.first)
    #expect(bootstrap.node == direct.hub.id && bootstrap.path != nil && bootstrap.label == "hub")
    #expect(bootstrap.places.first == .tcp(direct.hub.endpoint))
    #expect(seen.views.map(\.observer) == [direct.hub.id])
    #expect(seen.clocks.count > 0 && seen.clocks.largestDifference != nil)
    #expect(!direct.summary(of: direct.hub).accepted.isEmpty, "the members have dialed it")

    let relayed = try Site(seed: seed)
    defer { relayed.network.dismantle() }
    let far = relayed.summary(of: relayed.members[0])
    #expect(far.channels.map { [$0.direct, $0.relayed, $0.unlinked] } == [[1, 1, 0]])
    #expect(far.accepted.isDisjoint(with: [.direct, .lan]))
  }

  @Test(arguments: 0..<4 as Range<UInt64>) func membersThatNoRelayLeadsToAreNotLinked(seed: UInt64) throws {
    let site = try Site(seed: seed, hubRelays: false)
    defer { site.network.dismantle() }
    let channel = try #require(site.summary(of: site.members[0]).channels.first)
    #expect([channel.direct, channel.relayed, channel.unlinked] == [1, 0, 1])
    #expect(channel.problem != nil)
  }
}

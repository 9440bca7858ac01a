import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// A missing path is named as the cause of a failed load.
@Suite struct MissingPathTests {
  private typealias Site = NetworkSummaryTests.Site

  private func explain(_ site: Site) -> Diagnosis { explain(at: site.members[0], in: site.network) }

  private func explain(at node: SimNode, in network: SimNetwork) -> Diagnosis {
    let key = FileKey(hash: .of(Array("no node has this".utf8)))
    node.find(key)
    _ = network.clock.run(for: .seconds(6))
    return node.diagnose(key)
  }

  @Test(arguments: 0..<4 as Range<UInt64>) func aBootstrapNodeThatDoesNotRelayIsNamed(seed: UInt64) throws {
    let site = try Site(seed: seed, hubRelays: false)
    defer { site.network.dismantle() }
    let diagnosis = explain(site)
    #expect(diagnosis.code == .unreachable)
    #expect(diagnosis.summary.contains("No relay leads there either: "))
    #expect(diagnosis.summary.contains("the bootstrap nodes that this node is linked to do not relay"))
    #expect(diagnosis.advice.contains { $0.contains("one that relays") })
  }

  /// Two bootstrap nodes that know each other, each used by one of the members.
  @Test func differentRelaysAreNamed() throws {
    let network = SimNetwork(seed: 2)
    defer { network.dismantle() }
    let first = try network.addNode("hub 1", isBootstrap: true)
    let second = try network.addNode("hub 2", isBootstrap: true, bootstraps: [first])
    let members = try [first, second].map { try network.addNode("of \($0.name)", bootstraps: [$0]) }
    for hub in [first, second] { hub.start([Lab.channel]) }
    for member in members {
      member.isBehindNAT = true
      member.start([Lab.channel])
    }
    _ = network.clock.run(for: .seconds(40))
    let diagnosis = explain(at: members[0], in: network)
    #expect(diagnosis.code == .unreachable)
    #expect(diagnosis.summary.contains("the two nodes are linked to different relays"), "\(diagnosis)")
  }

  @Test func aLostBootstrapNodeIsNamed() throws {
    let site = try Site(seed: 1)
    defer { site.network.dismantle() }
    site.hub.kill()
    _ = site.network.clock.run(for: .seconds(40))
    let diagnosis = explain(site)
    #expect(diagnosis.code == .unreachable)
    #expect(diagnosis.summary.contains("this node is linked to no bootstrap node and to no member that relays"))
    #expect(diagnosis.advice.contains { $0.contains("kachery doctor") })
    #expect(diagnosis.advice.contains { $0.contains("--data-proxy") })
  }
}

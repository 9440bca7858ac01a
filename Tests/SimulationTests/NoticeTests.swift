import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Nodes that do not introduce, and bootstrap nodes that do so only for some: what the nodes' owners are told.
@Suite struct NoticeTests {
  private static let other = Channel(address: "another lab", membership: .byName)
  private let nowhere = FileKey(hash: .of(Array("no node has this".utf8)))

  private func logged(_ node: SimNode, _ kind: NodeNotice.Kind) -> Int {
    node.events.count { if case .notice(let notice) = $0 { notice.kind == kind } else { false } }
  }

  @Test func aNodeThatIsNoBootstrapNodeIsNamedAtBothEnds() throws {
    let network = SimNetwork(seed: 3)
    defer { network.dismantle() }
    let plain = try network.addNode("plain")
    let asker = try network.addNode("asker", bootstraps: [plain])
    plain.start([Lab.channel])
    asker.start([Self.other])
    _ = network.clock.run(for: .seconds(600))
    let notice = try #require(asker.core.currentNotices(at: asker.now).first)
    #expect(notice.kind == .notBootstrap && notice.node == plain.id)
    #expect(notice.summary.contains("\(plain.endpoint)") && notice.summary.contains("('plain')"), "\(notice)")
    #expect(notice.advice.contains { $0.contains("--isbootstrap") }, "\(notice)")
    let there = try #require(plain.core.currentNotices(at: plain.now).first)
    #expect(there.kind == .noCommonChannel && there.node == asker.id && there.summary.contains("('asker')"))
    #expect(there.advice.contains { $0.contains("--isbootstrap") })
    #expect(logged(asker, .notBootstrap) == 1 && logged(plain, .noCommonChannel) == 1, "once, not at each attempt")
    let diagnosis = asker.diagnose(nowhere)
    #expect(diagnosis.code == .noMemberOnline)
    #expect(diagnosis.advice.contains { $0.contains("--isbootstrap") }, "\(diagnosis)")
    #expect(diagnosis.evidence.contains(notice.summary))

    // With a channel in common they are linked, and nothing is wrong any more.
    asker.join([Lab.channel])
    #expect(network.clock.run(for: .seconds(2)) { asker.isLinked(to: plain) })
    #expect(asker.core.currentNotices(at: asker.now).isEmpty)
    #expect(!plain.core.currentNotices(at: plain.now).contains { $0.kind == .noCommonChannel })
    // It does not introduce the members of the other channel.
    asker.join([Lab.channel, Self.other])
    _ = network.clock.run(for: .seconds(1))
    #expect(asker.core.currentNotices(at: asker.now).map(\.kind) == [.notBootstrap])
  }

  @Test func strangersFillFewPlaces() throws {
    let network = SimNetwork(seed: 4)
    defer { network.dismantle() }
    let node = try network.addNode("node")
    node.start([Lab.channel])
    for number in 0..<24 {
      try network.addNode("stranger \(number)", bootstraps: [node]).start([Self.other])
    }
    _ = network.clock.run(for: .seconds(5))
    #expect(node.core.currentNotices(at: node.now).count == 16)
    for stranger in network.nodes where stranger !== node { stranger.kill() }
    _ = network.clock.run(for: .seconds(900))
    #expect(node.core.currentNotices(at: node.now).isEmpty)
  }

  // MARK: Limits

  /// Starts a bootstrap node that is limited to the lab's channel and the last of the nodes, which have these channels.
  private func limited(_ channels: [Channel], in network: SimNetwork) throws -> (hub: SimNode, nodes: [SimNode]) {
    let hub = try network.addNode("hub", isBootstrap: true)
    let nodes = try channels.indices.map { try network.addNode("node \($0)", bootstraps: [hub]) }
    let limit = IntroductionLimit(nodes: Set(nodes.suffix(1).map(\.id)), channels: [Lab.channel.secret])
    hub.input { core, now in core.setIntroductionLimit(limit, at: now) }
    hub.start([])
    for (node, channel) in zip(nodes, channels) { node.start([channel]) }
    _ = network.clock.run(for: .seconds(20))
    return (hub, nodes)
  }

  @Test func aLimitedBootstrapNodeServesThoseThatItsKeeperNames() throws {
    let network = SimNetwork(seed: 5)
    defer { network.dismantle() }
    let (hub, nodes) = try limited([Lab.channel, Lab.channel, Self.other, Self.other], in: network)
    let (one, two, refused, named) = (nodes[0], nodes[1], nodes[2], nodes[3])
    #expect(one.isLinked(to: two) && one.isLinked(to: hub))
    #expect(named.isLinked(to: hub) && !refused.isLinked(to: hub))
    #expect(!named.learnt.contains(refused.id), "the node that is refused is introduced to no other")
    #expect(hub.core.introducesText == "only 1 node by ID, and members of 1 channel")
    let notice = try #require(refused.core.currentNotices(at: refused.now).first)
    #expect(notice.kind == .notIntroduced && notice.summary.contains("\(hub.endpoint)"), "\(notice)")
    #expect(notice.advice.contains { $0.contains(refused.id.hex) })
    #expect(refused.diagnose(nowhere).advice.contains { $0.contains("--introduce-only") })
    #expect(hub.core.currentNotices(at: hub.now).contains { $0.kind == .notIntroduced && $0.node == refused.id })
    #expect(logged(refused, .notIntroduced) == 1)

    // Without the limit it is introduced, and its owner is told nothing any more.
    hub.input { core, now in core.setIntroductionLimit(nil, at: now) }
    #expect(network.clock.run(for: .seconds(90)) { refused.isLinked(to: named) })
    #expect(refused.core.currentNotices(at: refused.now).isEmpty)
    // With it, links end that no longer belong.
    let limit = IntroductionLimit(nodes: [named.id], channels: [])
    hub.input { core, now in core.setIntroductionLimit(limit, at: now) }
    _ = network.clock.run(for: .seconds(1))
    #expect(named.isLinked(to: hub) && !one.isLinked(to: hub) && one.isLinked(to: two))
  }

  /// A node that proves one channel is not introduced by another one, whose topic it also names.
  @Test func aChannelIsNoPassForOthers() throws {
    let network = SimNetwork(seed: 6)
    defer { network.dismantle() }
    let (hub, nodes) = try limited([Lab.channel, Self.other], in: network)
    nodes[0].join([Lab.channel, Self.other])
    _ = network.clock.run(for: .seconds(60))
    #expect(nodes[0].isLinked(to: hub) && nodes[1].isLinked(to: hub))
    #expect(!nodes[0].isLinked(to: nodes[1]) && !nodes[0].learnt.contains(nodes[1].id))
  }
}

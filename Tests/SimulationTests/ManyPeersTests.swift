import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Two hundred nodes load from one concurrently: twenty of them load ten files each, and twenty read nothing of what
/// they request.
@Suite struct ManyPeersTests {
  private static let peers = 200
  private static let blockSize = 600
  private static let fileBlocks = 3

  private struct Crowd {
    let network: SimNetwork
    let server: SimNode
    let nodes: [SimNode]

    var honest: ArraySlice<SimNode> { nodes[20..<180] }
  }

  /// Only the server may be asked, so its peers have no links among themselves.
  private func crowd(seed: UInt64) throws -> Crowd {
    let network = SimNetwork(seed: seed)
    let server = try network.addNode("server")
    server.blockSize = Self.blockSize
    let channel = Channel(
      address: "https://example.org/crowd.yaml",
      membership: .byDocument(
        ChannelDocument(
          label: "crowd", bootstrapAddresses: [], members: [ChannelDocument.Member(node: server.id, isPublic: true)])),
      isPublic: true)
    let nodes = try (0..<Self.peers).map { try network.addNode("node \($0)", bootstraps: [server]) }
    for node in [server] + nodes { node.start([channel]) }
    _ = network.clock.run(for: .seconds(20))
    for node in nodes { #expect(node.isLinked(to: server)) }
    return Crowd(network: network, server: server, nodes: nodes)
  }

  /// At this rate a turn of all peers takes 30 s, longer than the timeout for a silent source.
  @Test(arguments: [1] as [UInt64])
  func everyPeerIsServedWithinTheBound(_ seed: UInt64) throws {
    let crowd = try crowd(seed: seed)
    defer { crowd.network.dismantle() }
    let rate = 4_000.0
    crowd.server.uploads.rate = rate
    for stalling in crowd.nodes[180...] { stalling.takesBytes = false }
    let keys = (0..<50).map { _ in
      crowd.server.store.store(crowd.network.random.bytes(Self.fileBlocks * Self.blockSize))
    }
    let start = crowd.network.clock.now
    for (index, node) in crowd.nodes.enumerated() where !crowd.honest.contains(where: { $0 === node }) {
      for offset in 0..<(index < 20 ? 10 : 1) { _ = node.load(keys[(index + offset) % keys.count]) }
    }
    let loads = crowd.honest.enumerated().map { ($1, $1.load(keys[$0 % keys.count])) }
    let round = Double(Self.peers * Self.blockSize) / rate
    let hasEnded = crowd.network.clock.run(for: .seconds(Int(round * Double(Self.fileBlocks + 1)))) {
      loads.allSatisfy { $0.outcomes[$1] != nil }
    }
    #expect(hasEnded, "seed \(seed): a load waits longer than the bound")
    #expect(loads.allSatisfy { $0.outcomes[$1]?.isSuccess == true }, "seed \(seed)")
    #expect((crowd.network.clock.now - start).inSeconds > 2 * round, "the test is not about waiting")
    #expect(crowd.network.complaints == [])
  }
}

/// A load waits for a source that serves its maximum number of transfers.
@Suite struct BusySourceTests {
  private static let seeds: Range<UInt64> = 0..<3

  private func busyLab(_ seed: UInt64) throws -> (lab: Lab, source: SimNode, asker: SimNode, key: FileKey) {
    let lab = try Lab(seed: seed, members: 2)
    let source = lab.members[0]
    (source.conduct, source.refusal) = (.refuses, .limitReached)
    return (lab, source, lab.members[1], source.store.store(lab.bytes(5_000), chunkSize: 1_000))
  }

  @Test(arguments: seeds)
  func itGivesOnceItHasRoom(_ seed: UInt64) throws {
    let (lab, source, asker, key) = try busyLab(seed)
    defer { lab.network.dismantle() }
    let load = asker.load(key)
    _ = lab.network.clock.run(for: .seconds(100))
    #expect(asker.outcomes.isEmpty)
    #expect(asker.waitedFor == [source.id])
    let diagnosis = asker.diagnose(key)
    #expect(diagnosis.code == .sourceBusy && diagnosis.summary.contains("source's limit"), "\(diagnosis)")
    #expect(diagnosis.evidence.contains { $0.contains(source.id.short) && $0.contains("limit on transfers") })
    source.conduct = .honest
    #expect(lab.finish([(asker, load)], within: .seconds(12)), "seed \(seed): it is asked too seldom")
    #expect(asker.outcomes[load]?.isSuccess == true)
  }

  /// The user's timeout applies; the reason is remembered.
  @Test(arguments: seeds)
  func aClientThatHangsUpCanLearnWhy(_ seed: UInt64) throws {
    let (lab, source, asker, key) = try busyLab(seed)
    defer { lab.network.dismantle() }
    let load = asker.load(key)
    _ = lab.network.clock.run(for: .seconds(30))
    asker.cancel(load)
    let diagnosis = asker.diagnose(key)
    #expect(diagnosis.code == .sourceBusy && diagnosis.summary.contains(source.id.short), "\(diagnosis)")
    #expect(asker.store.openDownloads == 0)
  }

  @Test(arguments: seeds)
  func theWaitIsBounded(_ seed: UInt64) throws {
    let (lab, source, asker, key) = try busyLab(seed)
    defer { lab.network.dismantle() }
    let load = asker.load(key)
    #expect(lab.finish([(asker, load)], within: .seconds(1_850)), "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.code == .sourceBusy)
    #expect(asker.diagnose(key).summary.contains(source.id.short))
  }

  @Test(arguments: seeds)
  func othersGiveMeanwhile(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let bytes = lab.bytes(5_000)
    for holder in lab.members.dropFirst() { holder.store.store(bytes, chunkSize: 1_000) }
    (lab.members[1].conduct, lab.members[1].refusal) = (.refuses, .limitReached)
    let load = lab.members[0].load(FileKey(hash: .of(bytes)))
    #expect(lab.finish([(lab.members[0], load)], within: .seconds(5)), "seed \(seed): it waits for the busy one")
    #expect(lab.members[0].outcomes[load]?.isSuccess == true)
  }
}

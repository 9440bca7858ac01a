import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing

/// Members that were linked find each other after a restart, also while no bootstrap node answers.
@Suite struct MeetingAgainTests {
  private static let seeds: Range<UInt64> = 0..<4

  /// Stops the nodes in order, so that each stores what it knows.
  private func stop(_ nodes: [SimNode]) {
    for node in nodes {
      node.input { core, now in node.savedMembers = core.membersToSave(at: now) }
      node.kill()
    }
  }

  @Test(arguments: seeds)
  func membersMeetAgainWithoutTheBootstrapNode(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let (one, other) = (lab.members[0], lab.members[1])
    let key = one.store.store(lab.bytes(5_000), chunkSize: 1_000)
    stop(lab.members + [lab.bootstrap])
    _ = lab.network.clock.run(for: .seconds(7_200))
    lab.network.restart(one, [Lab.channel])
    lab.network.restart(other, [Lab.channel])
    let load = other.load(key)
    #expect(lab.finish([(other, load)], within: .seconds(10)), "seed \(seed): the load hangs")
    #expect(other.outcomes[load]?.isSuccess == true, "seed \(seed)")
    #expect(!one.isLinked(to: lab.bootstrap) && lab.network.complaints == [], "seed \(seed)")
  }

  /// The process of the one ends without a stop: what it stored a little after the last change is enough.
  @Test(arguments: seeds)
  func aCrashLosesNothing(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (one, other) = (lab.members[0], lab.members[1])
    _ = lab.network.clock.run(for: RememberedMembers.savingDelay)
    lab.bootstrap.kill()
    one.kill()
    other.kill()
    lab.network.restart(one, [Lab.channel])
    lab.network.restart(other, [Lab.channel])
    #expect(lab.network.clock.run(for: .seconds(10)) { one.isLinked(to: other) }, "seed \(seed)")
  }

  /// A member that is gone costs a few dials an hour.
  @Test func aMemberThatIsGoneIsDialedRarely() throws {
    let lab = try Lab(seed: 1, members: 2)
    defer { lab.network.dismantle() }
    let (one, other) = (lab.members[0], lab.members[1])
    stop([lab.bootstrap, other, one])
    lab.network.restart(one, [Lab.channel])
    let start = lab.network.clock.now
    _ = lab.network.clock.run(for: .seconds(5 * 3_600))
    let dials = (lab.network.dialed[.tcp(other.endpoint)] ?? []).count { $0.at >= start }
    #expect(dials >= RememberedMembers.rounds && dials <= 8 * (RememberedMembers.rounds + 4), "\(dials)")
  }

  @Test func membersOfAChannelThatIsLeftAreForgotten() throws {
    let lab = try Lab(seed: 1, members: 2)
    defer { lab.network.dismantle() }
    let one = lab.members[0]
    _ = lab.network.clock.run(for: RememberedMembers.savingDelay)
    #expect(one.savedMembers.contains { $0.node == lab.members[1].id })
    one.join([])
    _ = lab.network.clock.run(for: RememberedMembers.savingPeriod)
    #expect(one.savedMembers.isEmpty)
    // A member that was forgotten is not dialed after a restart either.
    stop([lab.bootstrap, lab.members[1], one])
    lab.network.restart(one, [Lab.channel])
    let start = lab.network.clock.now
    _ = lab.network.clock.run(for: .seconds(60))
    #expect((lab.network.dialed[.tcp(lab.members[1].endpoint)] ?? []).allSatisfy { $0.at < start })
  }

  /// The bootstrap node of the lab has joined the channel and remembers; one without channels has nothing to remember.
  @Test func aBootstrapNodeWithoutChannelsStoresNothing() throws {
    let network = SimNetwork(seed: 2)
    defer { network.dismantle() }
    let hub = try network.addNode("hub", isBootstrap: true)
    let members = try (0..<2).map { try network.addNode("node \($0)", bootstraps: [hub]) }
    hub.start([])
    for member in members { member.start([Lab.channel]) }
    _ = network.clock.run(for: .seconds(600))
    #expect(members[0].isLinked(to: hub) && hub.savedMembers.isEmpty)
    #expect(members[0].savedMembers.map(\.node) == [members[1].id])
  }
}

import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Which nodes may learn what, under many seeds.
@Suite struct SimulatedMembershipTests {
  private static let seeds: Range<UInt64> = 0..<6

  @Test(arguments: seeds)
  func aStrangerLearnsNothing(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let stranger = try lab.network.addNode("stranger", bootstraps: [lab.bootstrap, lab.members[0]])
    stranger.start([Channel(address: "another lab", membership: .byName)])
    let key = lab.members[0].store.store(lab.bytes(5_000), chunkSize: 1_000)
    lab.bootstrap.store.store(lab.bytes(50))
    _ = lab.network.clock.run(for: .seconds(30))
    stranger.find(key)
    let load = stranger.load(key)
    #expect(lab.finish([(stranger, load)]), "seed \(seed): the load hangs")
    #expect(stranger.outcomes[load]?.code == .noMemberOnline, "seed \(seed)")
    #expect(stranger.found == [], "seed \(seed)")
    #expect(stranger.learnt.isDisjoint(with: lab.members.map(\.id)), "seed \(seed): it was told of a member")
    #expect(stranger.receivedBytes == 0)
  }

  /// A bootstrap node is trusted about other nodes and about the address it sees; so it must be a configured one.
  @Test(arguments: seeds)
  func aSelfAppointedBootstrapNodeIsNotTrusted(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let pretender = try lab.network.addNode("pretender", isBootstrap: true, bootstraps: [lab.members[0]])
    pretender.start([])
    _ = lab.network.clock.run(for: .seconds(30))
    #expect(!lab.members[0].isLinked(to: pretender), "seed \(seed)")
    #expect(lab.members[0].isLinked(to: lab.bootstrap), "seed \(seed)")
    #expect(pretender.learnt.isEmpty, "seed \(seed): it was told of a member")
  }

  @Test(arguments: seeds)
  func knowingTheAddressWithoutBeingListedGrantsNothing(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3, channel: try Self.channel(listing: [1, 2]))
    defer { lab.network.dismantle() }
    let (member, other, outsider) = (lab.members[0], lab.members[1], lab.members[2])
    let key = member.store.store(lab.bytes(5_000), chunkSize: 1_000)
    let (refused, given) = (outsider.load(key), other.load(key))
    #expect(lab.finish([(outsider, refused), (other, given)]), "seed \(seed): a load hangs")
    #expect(outsider.outcomes[refused]?.code == .notAuthorized, "seed \(seed)")
    #expect(outsider.receivedBytes == 0)
    #expect(other.outcomes[given]?.isSuccess == true, "seed \(seed)")
  }

  @Test(arguments: seeds, [true, false])
  func aWithdrawnMembershipEndsALoad(_ seed: UInt64, _ isWithdrawnByServer: Bool) throws {
    let lab = try Lab(seed: seed, members: 2, channel: try Self.channel(listing: [1, 2]))
    defer { lab.network.dismantle() }
    let (server, asker) = (lab.members[0], lab.members[1])
    let key = server.store.store(lab.bytes(200_000), chunkSize: 1_000)
    let load = asker.load(key)
    #expect(lab.runUntilSomeCame(from: [server], to: asker), "seed \(seed)")
    (isWithdrawnByServer ? server : asker).join([try Self.channel(listing: [1])])
    let before = asker.receivedBytes
    #expect(lab.finish([(asker, load)], within: .seconds(40)), "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.isSuccess == false, "seed \(seed)")
    // Bytes in flight may still arrive.
    #expect(asker.receivedBytes - before < 30_000, "seed \(seed)")
    #expect(asker.store.files[key.hash] == nil)
  }

  @Test(arguments: seeds)
  func aReturningBootstrapNodeLearnsAllMembersAgain(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    lab.network.isolate(lab.bootstrap)
    _ = lab.network.clock.run(for: .seconds(60))
    // Links between members do not need the bootstrap node.
    #expect(lab.members[0].isLinked(to: lab.members[1]), "seed \(seed)")
    lab.network.heal(lab.bootstrap)
    let isBack = { lab.members.allSatisfy { lab.bootstrap.isLinked(to: $0) } }
    #expect(lab.network.clock.run(for: .seconds(120), until: isBack), "seed \(seed)")
  }

  /// A channel whose document lists the nodes with these keys; the bootstrap node has the key 0.
  static func channel(listing keys: [Int]) throws -> Channel {
    let members = try ([0] + keys).map { ChannelDocument.Member(node: try KeyRing.key($0).publicKey) }
    return Channel(
      address: "https://example.org/lab.yaml",
      membership: .byDocument(ChannelDocument(label: "lab", bootstrapAddresses: [], members: members)))
  }
}

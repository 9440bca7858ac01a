import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer
import Wire

/// Whole nodes under a virtual clock and a seeded network. A failing run names its seed.
@Suite struct TransferSimulationTests {
  private let lab = Channel(address: "lab", membership: .byName)
  private let load = LoadID(number: 1)

  /// A network of a bootstrap node and `count` members of one channel, all linked.
  private func makeNetwork(_ count: Int, seed: Int) throws -> (SimNetwork, [SimNode]) {
    let network = SimNetwork(seed: seed)
    _ = try network.add([])
    let members = try (0..<count).map { _ in try network.add([lab]) }
    let areLinked = network.run(for: .seconds(30)) {
      members.allSatisfy { $0.core.activePeers.count == count }
    }
    #expect(areLinked, "seed \(seed)")
    return (network, members)
  }

  private func isOver(_ node: SimNode) -> Bool { node.loaded.contains(load) || node.failed[load] != nil }

  private func content(_ seed: Int, _ count: Int) -> [UInt8] {
    var random = SeededRandom(seed: UInt64(seed))
    return random.bytes(count)
  }

  @Test(arguments: 0..<200)
  func aFileTravels(seed: Int) throws {
    let (network, nodes) = try makeNetwork(3, seed: seed)
    let bytes = content(seed, seed * 97 % 5_000)
    let key = nodes[0].store(bytes, chunk: seed.isMultiple(of: 2) ? 512 : nil)
    network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
    #expect(network.run(for: .seconds(60)) { isOver(nodes[1]) }, "seed \(seed)")
    #expect(nodes[1].files[key.hash] == bytes, "seed \(seed): \(String(describing: nodes[1].failed[load]))")
    #expect(nodes[1].incoming.isEmpty, "seed \(seed)")
  }

  /// A large file comes by its manifest, which is fetched first, from several nodes at once; one lies, one dies.
  @Test(arguments: 0..<4)
  func aLargeFileComesInChunksFromAllWhoHaveIt(seed: Int) throws {
    let (network, nodes) = try makeNetwork(4, seed: seed)
    let bytes = PatternBytes.make(20_500_000, seed: seed)
    let keys = nodes[0...2].map { $0.store(bytes, chunk: 1_000_000) }
    if seed.isMultiple(of: 2) { nodes[0].manner = .lying }
    network.input(nodes[3]) { core, now in core.load(load, Wish(key: keys[1]), at: now) }
    network.after(.milliseconds(50 + 10 * seed)) { network.kill(2) }
    #expect(network.run(for: .seconds(90)) { isOver(nodes[3]) }, "seed \(seed)")
    let isSame = nodes[3].files[keys[1].hash] == bytes
    #expect(isSame, "seed \(seed): \(String(describing: nodes[3].failed[load]))")
    #expect(nodes[3].requests >= 21, "seed \(seed)")
  }

  @Test(arguments: 0..<200)
  func aLyingSourceIsDroppedAndItsPieceFetchedElsewhere(seed: Int) throws {
    let (network, nodes) = try makeNetwork(3, seed: seed)
    let bytes = content(seed, 3_000)
    let key = nodes[0].store(bytes, chunk: nil)
    _ = nodes[2].store(bytes, chunk: nil)
    nodes[0].manner = .lying
    network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
    #expect(network.run(for: .seconds(60)) { isOver(nodes[1]) }, "seed \(seed)")
    #expect(nodes[1].files[key.hash] == bytes, "seed \(seed)")
    #expect(nodes[1].lied.isSubset(of: [nodes[0].id]), "seed \(seed)")
  }

  @Test(arguments: 0..<20)
  func aLieIsNeverAdmitted(seed: Int) throws {
    let (network, nodes) = try makeNetwork(2, seed: seed)
    let key = nodes[0].store(content(seed, 2_000), chunk: nil)
    nodes[0].manner = .lying
    for number in 1...2 {
      let load = LoadID(number: UInt64(number))
      network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
      #expect(network.run(for: .seconds(60)) { nodes[1].failed[load] != nil }, "seed \(seed)")
      #expect(nodes[1].failed[load]?.code == .hashMismatch, "seed \(seed)")
    }
    #expect(nodes[1].files[key.hash] == nil)
    #expect(nodes[1].lied == [nodes[0].id])
    // The second load did not even ask for bytes again.
    #expect(nodes[1].requests == 1)
  }

  @Test(arguments: 0..<200)
  func theLossOfALinkIsMadeGoodByAnotherSource(seed: Int) throws {
    let (network, nodes) = try makeNetwork(3, seed: seed)
    let bytes = content(seed, 30_000)
    let key = nodes[0].store(bytes, chunk: nil)
    _ = nodes[2].store(bytes, chunk: nil)
    network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
    network.after(.milliseconds(seed)) { network.kill(1) }
    #expect(network.run(for: .seconds(90)) { isOver(nodes[1]) }, "seed \(seed)")
    #expect(nodes[1].files[key.hash] == bytes, "seed \(seed): \(String(describing: nodes[1].failed[load]))")
  }

  @Test(arguments: 0..<200)
  func theLossOfTheOnlySourceIsAClearFailure(seed: Int) throws {
    let (network, nodes) = try makeNetwork(2, seed: seed)
    let key = nodes[0].store(content(seed, 30_000), chunk: nil)
    network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
    #expect(network.run(for: .seconds(5)) { nodes[1].requests > 0 })
    network.kill(1)
    #expect(network.run(for: .seconds(60)) { isOver(nodes[1]) }, "seed \(seed)")
    if nodes[1].files[key.hash] == nil { #expect(nodes[1].failed[load]?.code == .disconnected, "seed \(seed)") }
    #expect(nodes[1].incoming.isEmpty)
  }

  @Test(arguments: 0..<10)
  func aSilentSourceIsGivenUp(seed: Int) throws {
    let (network, nodes) = try makeNetwork(3, seed: seed)
    let bytes = content(seed, 1_000)
    let key = nodes[0].store(bytes, chunk: nil)
    nodes[0].manner = .silent
    if seed.isMultiple(of: 2) { _ = nodes[2].store(bytes, chunk: nil) }
    network.input(nodes[1]) { core, now in core.load(load, Wish(key: key), at: now) }
    #expect(network.run(for: .seconds(120)) { isOver(nodes[1]) }, "seed \(seed)")
    #expect((nodes[1].files[key.hash] == bytes) == seed.isMultiple(of: 2), "seed \(seed)")
  }

  @Test func manyLoadsShareOneDownloadAndTheLastToLeaveEndsIt() throws {
    let (network, nodes) = try makeNetwork(2, seed: 1)
    let key = nodes[0].store(content(1, 5_000), chunk: nil)
    nodes[0].manner = .silent
    for number in 1...3 {
      network.input(nodes[1]) { core, now in core.load(LoadID(number: UInt64(number)), Wish(key: key), at: now) }
    }
    #expect(network.run(for: .seconds(5)) { nodes[1].requests > 0 })
    for number in 1...2 {
      network.input(nodes[1]) { core, now in core.cancelLoad(LoadID(number: UInt64(number)), at: now) }
    }
    #expect(nodes[1].incoming.count == 1)
    network.input(nodes[1]) { core, now in core.cancelLoad(LoadID(number: 3), at: now) }
    #expect(nodes[1].incoming.isEmpty)
    #expect(nodes[1].requests == 1)
    #expect(nodes[1].failed.isEmpty)
  }

  @Test(arguments: 0..<10)
  func strangersLearnNothing(seed: Int) throws {
    let network = SimNetwork(seed: seed)
    _ = try network.add([])
    let owner = try network.add([lab])
    let stranger = try network.add([Channel(address: "elsewhere", membership: .byName)])
    let key = owner.store(content(seed, 100), chunk: nil)
    _ = network.run(for: .seconds(5)) { false }
    network.input(stranger) { core, now in
      core.load(load, Wish(key: key), at: now)
      core.find(FindID(number: 1), Wish(key: key), for: .seconds(4), at: now)
    }
    #expect(network.run(for: .seconds(60)) { isOver(stranger) && stranger.hasFindEnded })
    #expect(stranger.failed[load]?.code == .notFound)
    #expect(stranger.found.isEmpty)
    #expect(!owner.core.activePeers.contains { $0.node == stranger.id })
  }

  /// A membership that is withdrawn ends what runs over it.
  @Test func aWithdrawnMembershipEndsTheTransfer() throws {
    let network = SimNetwork(seed: 3)
    _ = try network.add([])
    let (one, other) = (try network.add([]), try network.add([]))
    func channel(_ members: [SimNode]) -> Channel {
      let document = ChannelDocument(
        label: "lab", bootstrapAddresses: [], members: members.map { ChannelDocument.Member(node: $0.id) })
      return Channel(address: "https://example.org/lab.yaml", membership: .byDocument(document))
    }
    for node in [one, other] {
      network.input(node) { core, now in core.setChannels([channel([one, other])], at: now) }
    }
    #expect(network.run(for: .seconds(30)) { other.core.activePeers.count == 2 })
    let key = one.store(content(1, 1_000), chunk: nil)
    one.manner = .silent
    network.input(other) { core, now in core.load(load, Wish(key: key), at: now) }
    #expect(network.run(for: .seconds(5)) { other.requests > 0 })
    network.input(other) { core, now in core.setChannels([channel([other])], at: now) }
    #expect(network.run(for: .seconds(60)) { isOver(other) })
    #expect(other.failed[load] != nil)
  }

  @Test(arguments: 0..<20)
  func twoNodesKeepOneLink(seed: Int) throws {
    let (network, nodes) = try makeNetwork(2, seed: seed)
    _ = network.run(for: .seconds(60)) { false }
    for node in nodes { #expect(node.core.activePeers.count == 2, "seed \(seed)") }
    // A link that is cut comes back by itself.
    network.cut(1, 2)
    #expect(network.run(for: .seconds(60)) { nodes.allSatisfy { $0.core.activePeers.count == 2 } }, "seed \(seed)")
  }
}

import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// One fault at a time, each under many seeds.
@Suite struct SimulatedTransferTests {
  private static let seeds: Range<UInt64> = 0..<6

  @Test(arguments: seeds)
  func aFileTravels(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let key = lab.members[0].store.store(lab.bytes(9_000), chunkSize: 1_000)
    let load = lab.members[1].load(key)
    #expect(lab.finish([(lab.members[1], load)]), "seed \(seed): the load hangs")
    #expect(lab.members[1].outcomes[load]?.isSuccess == true, "seed \(seed)")
    #expect(lab.members[1].store.files[key.hash] == lab.members[0].store.files[key.hash])
    #expect(lab.network.complaints == [], "seed \(seed)")
  }

  @Test(arguments: seeds)
  func aLinkIsLostMidFileAndAnotherSourceContinues(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let (asker, lost, other) = (lab.members[0], lab.members[1], lab.members[2])
    let bytes = lab.bytes(20_000)
    let key = lost.store.store(bytes, chunkSize: 1_000)
    other.store.store(bytes, chunkSize: 1_000)
    let load = asker.load(key)
    #expect(lab.runUntilSomeCame(from: [lost], to: asker), "seed \(seed)")
    lost.kill()
    #expect(lab.finish([(asker, load)]), "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.isSuccess == true, "seed \(seed): \(String(describing: asker.outcomes[load]))")
    #expect(asker.store.files[key.hash] == bytes)
  }

  @Test(arguments: seeds)
  func theOnlySourceIsLostAndTheLoadSaysSo(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3)
    defer { lab.network.dismantle() }
    let (asker, source) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(20_000), chunkSize: 1_000)
    let load = asker.load(key)
    #expect(lab.runUntilSomeCame(from: [source], to: asker), "seed \(seed)")
    source.kill()
    #expect(lab.finish([(asker, load)], within: .seconds(60)), "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.code == .disconnected, "seed \(seed): \(String(describing: asker.outcomes[load]))")
    #expect(asker.store.files[key.hash] == nil)
  }

  @Test(arguments: seeds)
  func aLinkThatReturnsIsUsedAgainWithoutDelay(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, source) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(60_000), chunkSize: 1_000)
    let load = asker.load(key)
    #expect(lab.runUntilSomeCame(from: [source], to: asker), "seed \(seed)")
    lab.network.link(between: asker, and: source)?.cut()
    #expect(lab.finish([(asker, load)], within: .seconds(15)), "seed \(seed): the load takes long")
    #expect(asker.outcomes[load]?.isSuccess == true, "seed \(seed): \(String(describing: asker.outcomes[load]))")
  }

  @Test(arguments: seeds, Conduct.allCases)
  func aBadSourceBesideAGoodOneCostsTimeOnly(_ seed: UInt64, _ conduct: Conduct) throws {
    for isManifestKnown in [true, false] {
      let lab = try Lab(seed: seed, members: 3)
      defer { lab.network.dismantle() }
      // The seed decides which of the two has the smaller ID and is therefore used first.
      let (asker, bad, good) =
        seed.isMultiple(of: 2)
        ? (lab.members[0], lab.members[1], lab.members[2]) : (lab.members[0], lab.members[2], lab.members[1])
      let bytes = lab.bytes(6_000)
      let key = good.store.store(bytes, chunkSize: 1_000)
      bad.store.store(bytes, chunkSize: 1_000)
      bad.spoil(key.hash, conduct, &lab.network.random)
      let load = asker.load(isManifestKnown ? key : FileKey(hash: key.hash))
      #expect(lab.finish([(asker, load)]), "seed \(seed), \(conduct): the load hangs")
      #expect(
        asker.outcomes[load]?.isSuccess == true,
        "seed \(seed), \(conduct), \(isManifestKnown): \(String(describing: asker.outcomes[load]))")
      #expect(asker.store.files[key.hash] == bytes)
      #expect(!asker.liars.contains(good.id), "seed \(seed), \(conduct), \(isManifestKnown): an honest one is banned")
      #expect(lab.network.complaints == [], "seed \(seed), \(conduct)")
    }
  }

  /// A node that sends a block at a time and then falls silent is slow: its bytes are right.
  @Test(arguments: seeds, Conduct.allCases.filter { ![.honest, .stalls].contains($0) })
  func aBadSourceAloneIsNeverBelieved(_ seed: UInt64, _ conduct: Conduct) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, bad) = (lab.members[0], lab.members[1])
    let key = bad.store.store(lab.bytes(6_000), chunkSize: 1_000)
    bad.spoil(key.hash, conduct, &lab.network.random)
    let load = asker.load(FileKey(hash: key.hash))
    #expect(lab.finish([(asker, load)]), "seed \(seed), \(conduct): the load hangs")
    #expect(asker.outcomes[load]?.isSuccess == false, "seed \(seed), \(conduct)")
    #expect(asker.store.files[key.hash] == nil, "seed \(seed), \(conduct)")
    if [.corrupts, .shrinks, .misdescribes].contains(conduct) { #expect(asker.liars == [bad.id], "seed \(seed)") }
  }

  @Test(arguments: seeds)
  func manyLoadsOfOneFileFetchItOnce(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, source) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(12_000), chunkSize: 1_000)
    let loads = (0..<5).map { _ in asker.load(key) }
    asker.cancel(loads[0])
    #expect(lab.finish(loads.dropFirst().map { (asker, $0) }), "seed \(seed): a load hangs")
    #expect(loads.dropFirst().allSatisfy { asker.outcomes[$0]?.isSuccess == true }, "seed \(seed)")
    #expect(asker.outcomes[loads[0]] == nil)
  }

  @Test(arguments: seeds)
  func anInterruptedFileResumesWhereItStopped(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, source) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(30_000), chunkSize: 1_000)
    let first = asker.load(key)
    let half = { asker.receivedBytes >= 15_000 }
    #expect(lab.network.clock.run(for: .seconds(60), until: half), "seed \(seed)")
    asker.cancel(first)
    let second = asker.load(key)
    #expect(lab.finish([(asker, second)]), "seed \(seed): the load hangs")
    #expect(asker.outcomes[second]?.isSuccess == true, "seed \(seed)")
    #expect(asker.receivedBytes < 40_000, "seed \(seed): verified pieces were fetched again")
  }
}

import Primitives
import TestSupport
import Testing
import Transfer

/// What is remembered about sources and downloads, and what is forgotten.
@Suite struct SimulatedSourceTests {
  /// At its real size, from several concurrent nodes, one of which sends wrong bytes and one of which dies.
  @Test(arguments: 0..<3 as Range<UInt64>)
  func aLargeFileIsLoadedInChunksFromAllSources(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 4, manifestThreshold: Limits.manifestThreshold)
    defer { lab.network.dismantle() }
    let bytes = PatternBytes.make(20_500_000, seed: Int(seed))
    var keys: [FileKey] = []
    for holder in lab.members.dropFirst() {
      holder.blockSize = 250_000
      keys.append(holder.store.store(bytes, chunkSize: 1_000_000))
    }
    if seed.isMultiple(of: 2) { lab.members[1].conduct = .corrupts }
    let asker = lab.members[0]
    let load = asker.load(keys[0])
    #expect(lab.runUntilSomeCame(from: [lab.members[2], lab.members[3]], to: asker), "seed \(seed)")
    lab.members[3].kill()
    #expect(lab.finish([(asker, load)]), "seed \(seed): the load hangs")
    let isSame = asker.store.files[keys[0].hash] == bytes
    #expect(isSame, "seed \(seed): \(String(describing: asker.outcomes[load]))")
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func aBadAnswerIsRemembered(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, liar) = (lab.members[0], lab.members[1])
    let key = liar.store.store(lab.bytes(1_500))
    liar.conduct = .corrupts
    let first = asker.load(key)
    #expect(lab.finish([(asker, first)]), "seed \(seed): the load hangs")
    let cost = asker.receivedBytes
    let second = asker.load(key)
    #expect(lab.finish([(asker, second)]), "seed \(seed): the load hangs")
    #expect(asker.outcomes[first]?.code == .hashMismatch && asker.outcomes[second]?.code == .hashMismatch)
    #expect(asker.receivedBytes == cost, "seed \(seed): the penalized node was asked again")
    #expect(asker.store.openDownloads == 0)
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func theLastToLeaveEndsTheDownload(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (asker, source) = (lab.members[0], lab.members[1])
    let key = source.store.store(lab.bytes(40_000), chunkSize: 1_000)
    let loads = (0..<3).map { _ in asker.load(key) }
    #expect(lab.runUntilSomeCame(from: [source], to: asker), "seed \(seed)")
    for load in loads.dropLast() { asker.cancel(load) }
    #expect(asker.store.openDownloads > 0)
    asker.cancel(loads[2])
    #expect(asker.store.openDownloads == 0)
    #expect(asker.outcomes.isEmpty)
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func twoNodesKeepOneLinkAndMakeItAgain(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let (one, other) = (lab.members[0], lab.members[1])
    let areLinked = { one.isLinked(to: other) && other.isLinked(to: one) }
    _ = lab.network.clock.run(for: .seconds(60))
    #expect(areLinked(), "seed \(seed)")
    #expect(lab.network.countLinks(between: one, and: other) == 1, "seed \(seed)")
    lab.network.link(between: one, and: other)?.cut()
    #expect(!areLinked())
    #expect(lab.network.clock.run(for: .seconds(60), until: areLinked), "seed \(seed)")
  }
}

import Primitives
import TestSupport
import Testing
import Transfer

/// Nodes that load one file at the same time, and exchange what they have of it.
@Suite struct SimulatedSharingTests {
  private static let seeds: Range<UInt64> = 0..<6
  private static let size = 2_000_000
  private static let rate = 100_000

  /// A lab in which the first member has a file and sends slowly; the others are fast.
  private func makeLab(_ seed: UInt64, loaders: Int) throws -> (Lab, FileKey, [UInt8]) {
    let lab = try Lab(seed: seed, members: loaders + 1, manifestThreshold: 20_000)
    let bytes = lab.bytes(Self.size)
    let key = lab.members[0].store.store(bytes, chunkSize: 20_000)
    for member in lab.members {
      member.blockSize = 5_000
      member.blockTime = .milliseconds(2)
    }
    lab.members[0].uploadRate = Self.rate
    return (lab, key, bytes)
  }

  private func check(_ lab: Lab, _ loads: [(SimNode, LoadID)], _ bytes: [UInt8], _ seed: UInt64) {
    for (node, load) in loads {
      #expect(node.outcomes[load]?.isSuccess == true, "seed \(seed): \(String(describing: node.outcomes[load]))")
      let isWhole = node.store.files[.of(bytes)] == bytes
      #expect(isWhole, "seed \(seed)")
      #expect(node.liars.isEmpty, "seed \(seed)")
    }
    #expect(lab.network.complaints == [], "seed \(seed)")
  }

  /// From the source alone it would take as long as that many files.
  @Test(arguments: seeds, [2, 4])
  func concurrentLoadsShareTheSource(_ seed: UInt64, loaders: Int) throws {
    let (lab, key, bytes) = try makeLab(seed, loaders: loaders)
    defer { lab.network.dismantle() }
    let start = lab.network.clock.now
    let loads = lab.members.dropFirst().map { node in
      _ = lab.network.clock.run(for: .milliseconds(lab.network.random.number(0...300)))
      return (node, node.load(seed.isMultiple(of: 2) ? key : FileKey(hash: key.hash)))
    }
    #expect(lab.finish(loads), "seed \(seed): a load hangs")
    check(lab, loads, bytes, seed)
    let time = (lab.network.clock.now - start).inSeconds
    let alone = Double(loaders * Self.size / Self.rate)
    #expect(time < alone * (loaders == 2 ? 0.65 : 0.45), "seed \(seed): \(time) s instead of \(alone) s")
  }

  /// It takes little longer than the file takes to reach the one in the middle.
  @Test(arguments: seeds)
  func aFileGoesThroughANodeWhileItArrivesThere(_ seed: UInt64) throws {
    let (lab, key, bytes) = try makeLab(seed, loaders: 2)
    defer { lab.network.dismantle() }
    let (middle, last) = (lab.members[1], lab.members[2])
    let first = middle.load(key)
    _ = lab.network.clock.run(for: .seconds(2))
    let second = last.load(key, from: middle.id)
    let start = lab.network.clock.now
    #expect(lab.finish([(middle, first), (last, second)]), "seed \(seed): a load hangs")
    check(lab, [(middle, first), (last, second)], bytes, seed)
    let time = (lab.network.clock.now - start).inSeconds
    #expect(time < Double(Self.size / Self.rate) * 1.15, "seed \(seed): \(time) s")
  }

  /// Each lacks what the other lacks, and neither waits forever.
  @Test(arguments: seeds)
  func withoutTheSourceAllLoadsFail(_ seed: UInt64) throws {
    let (lab, key, _) = try makeLab(seed, loaders: 3)
    defer { lab.network.dismantle() }
    let loads = lab.members.dropFirst().map { ($0, $0.load(key)) }
    _ = lab.network.clock.run(for: .seconds(5))
    lab.members[0].kill()
    #expect(lab.finish(loads, within: .seconds(400)), "seed \(seed): a load hangs")
    for (node, load) in loads {
      #expect(node.outcomes[load]?.code == .disconnected, "seed \(seed): \(String(describing: node.outcomes[load]))")
      #expect(node.store.openDownloads == 0)
    }
    #expect(lab.network.complaints == [], "seed \(seed)")
  }

  /// A node that stops, dies or sends wrong bytes costs the others only time.
  @Test(arguments: seeds)
  func aNodeThatLeavesCostsTheOthersOnlyTime(_ seed: UInt64) throws {
    let (lab, key, bytes) = try makeLab(seed, loaders: 3)
    defer { lab.network.dismantle() }
    let loads = lab.members.dropFirst().map { ($0, $0.load(key)) }
    _ = lab.network.clock.run(for: .seconds(4))
    let (leaver, load) = loads[Int(seed % 3)]
    switch seed % 4 {
    case 0: leaver.cancel(load)
    case 1: leaver.kill()
    case 2: leaver.conduct = .silent
    default: leaver.conduct = .refuses
    }
    let others = loads.filter { $0.0 !== leaver }
    #expect(lab.finish(others), "seed \(seed): a load hangs")
    check(lab, others, bytes, seed)
  }
}

import Crypto
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Several sources of one file, each with a different speed.
@Suite struct StripingTests {
  private static let seeds: Range<UInt64> = 0..<6

  /// Loads a file from these members, each with its rate in bytes per second; returns the time taken.
  private func time(
    _ seed: UInt64, bytesPerSecond rates: [Int], size: Int, chunkSize: Int? = 20_000,
    prepare: (Lab) -> Void = { _ in }
  ) throws -> Duration {
    let lab = try Lab(seed: seed, members: rates.count + 1, manifestThreshold: 20_000)
    defer { lab.network.dismantle() }
    let bytes = lab.bytes(size)
    for (holder, rate) in zip(lab.members.dropFirst(), rates) {
      holder.store.store(bytes, chunkSize: chunkSize)
      holder.blockSize = 2_000
      holder.blockTime = .microseconds(2_000 * 1_000_000 / rate)
    }
    prepare(lab)
    let asker = lab.members[0]
    let start = lab.network.clock.now
    let load = asker.load(FileKey(hash: .of(bytes)))
    let hasEnded = lab.finish([(asker, load)], within: .seconds(300))
    #expect(hasEnded, "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.isSuccess == true, "seed \(seed): \(String(describing: asker.outcomes[load]))")
    let isWhole = asker.store.files[.of(bytes)] == bytes
    #expect(isWhole, "seed \(seed)")
    #expect(lab.network.complaints == [], "seed \(seed)")
    return lab.network.clock.now - start
  }

  @Test(arguments: seeds, [20_000, nil])
  func threeSourcesAreNearlyThreeTimesAsFast(_ seed: UInt64, chunkSize: Int?) throws {
    let one = try time(seed, bytesPerSecond: [100_000], size: 3_000_000, chunkSize: chunkSize)
    let three = try time(seed, bytesPerSecond: [100_000, 100_000, 100_000], size: 3_000_000, chunkSize: chunkSize)
    let ratio = one.inSeconds / three.inSeconds
    #expect(ratio > 2.7, "seed \(seed): only \(ratio) times as fast")
  }

  @Test(arguments: seeds)
  func eachGivesAsMuchAsItCan(_ seed: UInt64) throws {
    let all = try time(seed, bytesPerSecond: [100_000, 25_000, 12_500], size: 2_000_000)
    #expect(all.inSeconds < 2_000_000 / 137_500 * 1.15, "seed \(seed): \(all)")
  }

  /// It sends less than a piece in the time that the other takes for the whole file: no load waits for it.
  @Test(arguments: seeds, [20_000, nil])
  func aDrippingSourceIsOvertaken(_ seed: UInt64, chunkSize: Int?) throws {
    let both = try time(seed, bytesPerSecond: [200_000, 150], size: 1_000_000, chunkSize: chunkSize)
    #expect(both.inSeconds < 11, "seed \(seed): \(both)")
  }

  @Test(arguments: seeds)
  func aSilentSourceDelaysNoLoadForLong(_ seed: UInt64) throws {
    let both = try time(seed, bytesPerSecond: [200_000, 200_000], size: 1_000_000) { $0.members[2].conduct = .silent }
    #expect(both.inSeconds < 12, "seed \(seed): \(both)")
  }

  /// Which stripe is wrong is unknown, so each source is tried alone.
  @Test(arguments: seeds)
  func aBadSourceOfStripesIsIdentified(_ seed: UInt64) throws {
    _ = try time(seed, bytesPerSecond: [200_000, 200_000, 200_000], size: 400_000, chunkSize: nil) {
      $0.members[1 + Int(seed % 3)].conduct = .corrupts
    }
  }

  @Test(arguments: seeds)
  func withOnlyBadSourcesTheFailureIsClear(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 3, manifestThreshold: 2_000)
    defer { lab.network.dismantle() }
    let bytes = lab.bytes(30_000)
    for liar in lab.members.dropFirst() {
      liar.store.store(bytes)
      liar.conduct = .corrupts
    }
    let asker = lab.members[0]
    let load = asker.load(FileKey(hash: .of(bytes)))
    let hasEnded = lab.finish([(asker, load)])
    #expect(hasEnded, "seed \(seed): the load hangs")
    #expect(asker.outcomes[load]?.code == .hashMismatch, "seed \(seed): \(String(describing: asker.outcomes[load]))")
    #expect(asker.liars == Set(lab.members.dropFirst().map(\.id)), "seed \(seed)")
    #expect(asker.store.openDownloads == 0)
  }
}

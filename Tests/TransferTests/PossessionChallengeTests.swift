import Primitives
import TestSupport
import Testing
import Transfer

/// The parts of a file by which another node proves that it has it.
@Suite struct PossessionChallengeTests {
  private func challenge(_ size: UInt64, seed: UInt64 = 1) -> [ByteRange] {
    var random = SeededRandom(seed: seed)
    return PossessionChallenge(ofFileWith: size, random: &random).ranges
  }

  @Test func allOfASmallFileIsAskedFor() {
    #expect(challenge(0) == [])
    for size: UInt64 in [1, 4_096, 2_097_152] { #expect(challenge(size) == [ByteRange(whole: size)]) }
  }

  @Test(arguments: [2_097_153, 2_200_001, 1_000_000_007, 1 << 45] as [UInt64])
  func partsOfALargeFileAreInItAndAllOverIt(size: UInt64) {
    let parts = challenge(size)
    #expect(parts.count == 514)
    #expect(parts.allSatisfy { ByteRange(whole: size).contains($0) && !$0.isEmpty })
    #expect(parts.first?.start == 0 && parts.last?.end == size)
    #expect(parts.reduce(0) { $0 + $1.count } <= 514 * 4_096)
    #expect(parts != challenge(size, seed: 2), "nobody knows them in advance")
    // Whatever contiguous hundredth is missing, some part needs it.
    for missing in 0..<100 {
      let start = size / 100 * UInt64(missing)
      #expect(parts.contains { $0.start < start + size / 100 && $0.end > start }, "\(missing)")
    }
  }

  /// A node that lacks one per cent of the bytes, here and there, passes less often than one time in 171.
  @Test func whoLacksALittleIsCaught() {
    let size: UInt64 = 500_000_000
    var passed = 0
    for seed in 0..<400 {
      // Each hundredth block of 5,000,000 bytes' worth of pieces of 50,000 bytes is missing.
      let parts = challenge(size, seed: UInt64(seed) + 10)
      let lacks: (UInt64) -> Bool = { $0 / 50_000 % 100 == UInt64(seed % 100) }
      if !parts.contains(where: { lacks($0.start) || lacks($0.end - 1) }) { passed += 1 }
    }
    #expect(passed <= 10, "\(passed) of 400")
  }
}

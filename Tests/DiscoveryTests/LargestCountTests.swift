import TestSupport
import Testing

@testable import Discovery

@Suite struct LargestCountTests {
  /// Against counts in a dictionary.
  @Test(arguments: 0..<20) func itFindsAKeyWithTheLargestCount(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var counts = LargestCount<Int>()
    var expected: [Int: Int] = [:]
    for _ in 0..<2_000 {
      let key = random.number(0...12)
      if random.chance(55) {
        counts.increment(key)
        expected[key, default: 0] += 1
      } else {
        counts.decrement(key)
        expected[key] = expected[key].flatMap { $0 > 1 ? $0 - 1 : nil }
      }
      #expect(counts[key] == expected[key] ?? 0)
      let most = expected.values.max()
      #expect(counts.largest.flatMap { expected[$0] } == most)
    }
  }
}

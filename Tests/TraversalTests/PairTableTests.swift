import Primitives
import TestSupport
import Testing
import Traversal

/// Which pairs of edges can be connected directly over TCP: 68 of 91, as measured with real kernels and NATs.
@Suite struct PairTableTests {
  /// All pairs, with the smaller ID at either side.
  private static let pairs = NATKind.allCases.flatMap { one in NATKind.allCases.map { [one, $0] } }

  @Test func theTableHas68Pairs() {
    let kinds = NATKind.allCases
    let pairs = kinds.indices.flatMap { first in kinds[first...].map { (kinds[first], $0) } }
    #expect(pairs.count == 91)
    #expect(pairs.count { $0.connects(to: $1) } == 68)
    #expect(pairs.allSatisfy { $0.connects(to: $1) == $1.connects(to: $0) })
  }

  /// What can be connected, is in the first round.
  @Test(arguments: pairs) func aPairConnectsAsMeasured(_ kinds: [NATKind]) {
    for seed in 0..<3 as Range<UInt64> {
      let pair = ReachPair(kinds, seed: seed)
      defer { pair.dismantle() }
      pair.meet()
      pair.run(for: .seconds(9))
      let expected = kinds[0].connects(to: kinds[1])
      #expect(pair.isConnected == expected, "seed \(seed): \(kinds)")
      if expected { #expect(pair.rounds == 1, "seed \(seed): \(kinds)") }
      #expect(pair.rounds <= 3)
      #expect(pair.ends.allSatisfy { $0.schedule.keepsItsDeadlines })
    }
  }

  /// The start in step, half a round trip after the message, and the shifts of the later rounds survive other delays.
  @Test(arguments: [(5, 5), (100, 10), (10, 150), (150, 400)])
  func delaysDoNotMatter(direct: Int, relayed: Int) {
    for kinds in [[NATKind.port, .rst], [.rst, .rst], [.nosim, .port], [.symseq, .symseq], [.cgnat, .collide]] {
      let pair = ReachPair(kinds, seed: 7)
      defer { pair.dismantle() }
      pair.internet.delay = .milliseconds(direct)
      pair.relayDelay = .milliseconds(relayed)
      pair.meet()
      pair.run(for: .seconds(12))
      #expect(pair.isConnected, "\(kinds) at \(direct) ms, by the relay \(relayed) ms")
    }
  }

  @Test(arguments: 0..<30 as Range<UInt64>) func lossIsNoObstacle(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let easy: [NATKind] = [.port, .cgnat, .rst, .cone, .fw, .addr]
    let kinds = [easy[random.number(0...5)], easy[random.number(0...5)]]
    let pair = ReachPair(kinds, seed: seed)
    defer { pair.dismantle() }
    pair.meet()
    pair.internet.loss = 5
    pair.run(for: .seconds(60))
    #expect(pair.isConnected, "seed \(seed): \(kinds)")
  }
}

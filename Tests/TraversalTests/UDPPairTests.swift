import Primitives
import TestSupport
import Testing
import Traversal

/// Which pairs of edges can be connected over UDP, and which of the two ways is taken.
@Suite struct UDPPairTests {
  private static let pairs = NATKind.allCases.flatMap { one in NATKind.allCases.map { [one, $0] } }

  /// A pair that has met, between which TCP is then lost.
  private func pairWithoutTCP(_ kinds: [NATKind], seed: UInt64) -> ReachPair {
    let pair = ReachPair(kinds, seed: seed, usesUDP: true)
    pair.meet(isLinking: false)
    pair.dropTCP()
    pair.linkByRelay()
    return pair
  }

  @Test(arguments: pairs) func withoutTCPAPairConnectsByUDP(_ kinds: [NATKind]) {
    for seed in 0..<2 as Range<UInt64> {
      let pair = pairWithoutTCP(kinds, seed: seed)
      defer { pair.dismantle() }
      pair.run(for: .seconds(9))
      let expected = kinds[0].connectsByUDP(to: kinds[1])
      #expect(pair.isConnected == expected, "seed \(seed): \(kinds)")
      #expect(!pair.isConnectedByTCP)
      if expected { #expect(pair.rounds <= 1, "seed \(seed): \(kinds)") }
      #expect(pair.ends.allSatisfy { $0.schedule.keepsItsDeadlines })
    }
  }

  /// With both, the table is that of TCP and one pair more, and TCP is taken wherever it works.
  @Test(arguments: pairs) func ofTwoWaysTCPIsTaken(_ kinds: [NATKind]) {
    let pair = ReachPair(kinds, seed: 5, usesUDP: true)
    defer { pair.dismantle() }
    pair.meet()
    pair.run(for: .seconds(9))
    let byTCP = kinds[0].connects(to: kinds[1])
    #expect(pair.isConnected == (byTCP || kinds[0].connectsByUDP(to: kinds[1])), "\(kinds)")
    if byTCP, kinds != [.symseq, .symseq] { #expect(pair.isConnectedByTCP, "\(kinds)") }
  }

  /// A direct link is there half a second after the relayed one, although TCP gets its turn first.
  @Test func itTakesLessThanASecond() {
    let pair = pairWithoutTCP([.port, .cgnat], seed: 1)
    defer { pair.dismantle() }
    let begun = pair.clock.now
    pair.run(for: .seconds(9))
    #expect(pair.isConnected)
    #expect(pair.clock.now - begun < .milliseconds(700))
  }

  /// A router that remembers what it has refused is opened from inside before anything comes from outside.
  @Test(arguments: 0..<10 as Range<UInt64>) func openersComeFirst(seed: UInt64) {
    for kinds in [[NATKind.greedy, .greedy], [.greedy, .port], [.port, .greedy], [.greedy, .cgnat]] {
      for relayed in [30, 50, 200] {
        let pair = ReachPair(kinds, seed: seed, usesUDP: true)
        defer { pair.dismantle() }
        pair.meet(isLinking: false)
        pair.dropTCP()
        pair.relayDelay = .milliseconds(relayed)
        pair.knowsRoundTrip = seed.isMultiple(of: 2)
        if seed.isMultiple(of: 3) { pair.linkByRelay() } else { pair.want(Int(seed % 3) - 1) }
        pair.run(for: .seconds(9))
        #expect(pair.isConnected && pair.rounds <= 1, "seed \(seed): \(kinds), relayed \(relayed) ms")
      }
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>) func lossIsNoObstacle(seed: UInt64) {
    let pair = ReachPair([.port, .rst], seed: seed, usesUDP: true)
    defer { pair.dismantle() }
    pair.meet(isLinking: false)
    pair.dropTCP()
    pair.internet.loss = 10
    pair.linkByRelay()
    pair.run(for: .seconds(60))
    #expect(pair.isConnected, "seed \(seed)")
  }

  /// Where UDP does not leave the network, nobody sends probes.
  @Test func aBlockedNetworkIsNotProbed() {
    let pair = ReachPair([.campus, .port], seed: 1, usesUDP: true)
    defer { pair.dismantle() }
    pair.meet()
    _ = pair.clock.run(for: .seconds(60))
    #expect(pair.ends[0].observers?.isBlocked == true)
    #expect(pair.ends.allSatisfy { $0.probes.isEmpty })
  }

  /// However long it goes on, a host gets no more than ten rounds in ten minutes.
  @Test func aRoundIsBounded() {
    let pair = pairWithoutTCP([.symrand, .port], seed: 3)
    defer { pair.dismantle() }
    pair.internet.datagrams = [:]
    _ = pair.clock.run(for: .seconds(600))
    #expect(!pair.isConnected)
    for number in 1...2 {
      let sent = pair.internet.datagrams["203.0.113.\(number)", default: 0]
      // The observers' answers come on top.
      #expect((1...10 * 6 * 22 + 200).contains(sent), "\(sent) datagrams to \(number)")
    }
  }
}

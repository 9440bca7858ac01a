import Testing

@testable import Daemon

/// How concurrent transfers are divided among peers.
@Suite struct TransferLimitsTests {
  /// Peers request as many places as they can get, in turn; returns how many each has in the end.
  private func places(_ limit: Int, peers: Int) -> [Int] {
    var configuration = DaemonConfiguration()
    configuration.maximumTransfers = limit
    let limits = TransferLimits(configuration)
    var held = [Int](repeating: 0, count: peers)
    for peer in held.indices {
      while limits.hasPlace(forPeerWith: held[peer], of: held.reduce(0, +)) { held[peer] += 1 }
    }
    return held
  }

  @Test func noNodeHasAllOfThem() {
    #expect(places(1, peers: 2) == [1, 0])
    #expect(places(2, peers: 2) == [1, 1])
    #expect(places(8, peers: 3) == [4, 2, 1])
    #expect(places(0, peers: 1) == [0])
  }

  @Test(arguments: [1, 7, 100, 1_024]) func neverMoreThanTheLimit(limit: Int) {
    let held = places(limit, peers: 200)
    #expect(held.reduce(0, +) == limit)
    #expect(held[0] == (limit + 1) / 2)
  }
}

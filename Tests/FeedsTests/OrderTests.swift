import Crypto
import Feeds
import Primitives
import TestSupport
import Testing

/// The engines emit their effects in the same order in every process.
@Suite struct OrderTests {
  @Test func aSeedRepeatsItsRunInEveryProcess() throws {
    try ProcessTraces.compare("FeedsTests.OrderTests/aSeedRepeatsItsRunInEveryProcess") {
      try (0..<3 as Range<UInt64>).flatMap(trace)
    }
  }

  /// Several feeds, subfeeds, readers, seekers and submissions, while links open and close and the writer leaves.
  private func trace(seed: UInt64) throws -> [String] {
    let world = try FeedWorld(seed: seed, nodes: 6)
    world.keepsTrace = true
    world.nodes[5].conduct = FeedNode.Conduct.allCases[Int(seed) % FeedNode.Conduct.allCases.count]
    let keys = try (0..<3).flatMap { feed in
      let signer = try SigningKey(seed: [UInt8](repeating: UInt8(0xa0 + feed), count: 32))
      let id = FeedID(key: signer.publicKey)
      world.nodes[0].keys[id] = signer
      return try ["main", "other"].map { SubfeedKey(id, try SubfeedHash(name: $0)) }
    }
    world.nodes[0].mayWrite = Set(world.nodes.map(\.id))
    for key in keys { for reader in world.nodes[1...] { reader.follow(key) } }
    var number: UInt64 = 0
    for _ in 0..<15 {
      let (a, b) = (world.random.number(0...5), world.random.number(0...5))
      if a != b { world.isLinked(a, b) ? world.unlink(a, b) : world.link(a, b) }
      let key = keys[world.random.number(0...keys.count - 1)]
      for node in world.nodes[1...] where world.random.chance(30) {
        number += 1
        if world.random.chance(50) {
          node.submit(SubmitID(number: number), "word \(number)", to: key, for: .seconds(3))
        } else {
          node.seek(FeedSeekID(number: number), key.feed, for: .seconds(3))
        }
      }
      try world.nodes[0].append(["message \(number)"], to: key)
      world.run(for: .milliseconds(world.random.number(1...400)))
    }
    world.run(for: .seconds(5))
    return world.trace
  }
}

import Crypto
import Feeds
import Primitives
import Testing

/// Messages are accepted only with the writer's statement with which message their subfeed begins.
@Suite struct SubfeedStatementTests {
  private let signer: SigningKey
  private let key: SubfeedKey
  private let other: SubfeedKey

  init() throws {
    signer = try SigningKey(seed: [UInt8](repeating: 0xaa, count: 32))
    let feed = FeedID(key: signer.publicKey)
    key = SubfeedKey(feed, try SubfeedHash(name: "main"))
    other = SubfeedKey(feed, try SubfeedHash(name: "other"))
  }

  /// A world whose first node writes the feed.
  private func world(_ seed: UInt64, nodes: Int = 3) throws -> FeedWorld {
    let world = try FeedWorld(seed: seed, nodes: nodes)
    world.nodes[0].keys[key.feed] = signer
    return world
  }

  @Test func aStatementHoldsForOneSubfeedAndOneBeginning() throws {
    func first(_ text: String) throws -> Signature {
      try SignedMessage(
        ["text": .string(text)], number: 0, previous: nil, at: WallTime(milliseconds: 1), with: signer
      ).signature
    }
    let statement = SubfeedStatement(of: key, beginningWith: try first("a"), by: signer)
    #expect(statement.holds(for: key, beginningWith: try first("a")))
    #expect(!statement.holds(for: key, beginningWith: try first("b")))
    #expect(!statement.holds(for: other, beginningWith: try first("a")))
    let stranger = SubfeedKey(FeedID(key: try SigningKey.generate().publicKey), key.subfeed)
    #expect(!statement.holds(for: stranger, beginningWith: try first("a")))
    let forged = SubfeedStatement(of: key, beginningWith: try first("a"), by: try SigningKey.generate())
    #expect(!forged.holds(for: key, beginningWith: try first("a")))
  }

  /// With the other subfeed's statement, or with the right one.
  @Test(arguments: UInt64(0)..<20)
  func messagesOfAnotherSubfeedAreRefused(seed: UInt64) throws {
    let world = try world(seed)
    try world.nodes[0].append(["a", "b"], to: key)
    try world.nodes[0].append(["c", "d", "e"], to: other)
    world.link(0, 1)
    for subfeed in [key, other] { world.nodes[1].follow(subfeed) }
    #expect(world.run(for: .seconds(5)) { world.nodes[1].count(of: key) == 2 && world.nodes[1].count(of: other) == 3 })
    world.unlink(0, 1)
    world.nodes[1].conduct = .swaps
    world.nodes[1].swapped = other
    world.nodes[2].follow(key)
    world.link(1, 2)
    world.run(for: .seconds(5))
    #expect(world.nodes[2].events == [.misbehaved(key, world.nodes[1].id)])
    #expect(world.nodes[2].count(of: key) == 0)
    world.link(0, 2)
    #expect(world.run(for: .seconds(5)) { world.nodes[2].texts(of: key) == ["a", "b"] })
  }

  /// A replica that earlier software has left serves nothing until the writer, or another replica, has given it the
  /// statement; what is stored stays.
  @Test(arguments: UInt64(0)..<10)
  func anOldReplicaServesOnceItHasTheStatement(seed: UInt64) throws {
    let world = try world(seed)
    try world.nodes[0].append((0..<40).map { "message \($0)" }, to: key)
    world.nodes[1].restore(Array((world.nodes[0].messages[key] ?? []).prefix(30)), of: key)
    world.nodes[2].follow(key)
    world.link(1, 2)
    world.run(for: .seconds(5))
    #expect(world.nodes[2].count(of: key) == 0 && world.nodes[2].events.isEmpty)
    world.nodes[1].follow(key)
    world.link(0, 1)
    #expect(world.run(for: .seconds(10)) { world.nodes[1].count(of: key) == 40 })
    #expect(world.nodes[1].proof(of: key) != nil)
    world.unlink(0, 1)
    // It was refused half a minute ago, and asks again.
    #expect(world.run(for: .seconds(60)) { world.nodes[2].count(of: key) == 40 })
    #expect(world.nodes[1].events.isEmpty && world.nodes[2].events.isEmpty)
  }

  /// The first message of a subfeed reaches those who wait for it, with the statement.
  @Test func theFirstMessageArrivesAtOnce() throws {
    let world = try world(3, nodes: 2)
    world.link(0, 1)
    world.nodes[1].follow(key)
    try world.nodes[0].append(["elsewhere"], to: other)
    world.run(for: .seconds(2))
    let start = world.now
    try world.nodes[0].append(["a"], to: key)
    #expect(world.run(for: .seconds(60)) { world.nodes[1].count(of: key) == 1 })
    #expect(world.now - start < .milliseconds(40))
  }
}

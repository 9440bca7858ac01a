import Crypto
import Feeds
import Primitives
import TestSupport
import Testing

/// Replication of feeds between simulated nodes. Each failure names its seed.
@Suite struct ReplicationTests {
  private func writer(_ world: FeedWorld, at index: Int = 0) throws -> SubfeedKey {
    let signer = try SigningKey(seed: [UInt8](repeating: 0xaa, count: 32))
    let feed = FeedID(key: signer.publicKey)
    world.nodes[index].keys[feed] = signer
    return SubfeedKey(feed, try SubfeedHash(name: "main"))
  }

  private func texts(_ range: Range<Int>) -> [String] { range.map { "message \($0)" } }

  @Test(arguments: UInt64(0)..<10)
  func storedMessagesArriveBeforeAppendedOnes(seed: UInt64) throws {
    let world = try FeedWorld(seed: seed, nodes: 3)
    let key = try writer(world)
    try world.nodes[0].append(texts(0..<50), to: key)
    for (a, b) in [(0, 1), (0, 2), (1, 2)] { world.link(a, b) }
    for reader in world.nodes[1...] { reader.follow(key) }
    #expect(world.run(for: .seconds(5)) { world.nodes[1...].allSatisfy { $0.count(of: key) == 50 } })
    let start = world.now
    try world.nodes[0].append(["live"], to: key)
    #expect(world.run(for: .seconds(1)) { world.nodes[1...].allSatisfy { $0.count(of: key) == 51 } })
    // One way over the link plus the disk's time: no second request was needed.
    #expect(world.now - start < .milliseconds(30))
    #expect(world.nodes[1].texts(of: key) == texts(0..<50) + ["live"])
    #expect(world.nodes[2].texts(of: key) == texts(0..<50) + ["live"])
  }

  /// A tenth of `KACHERY_SIMULATED_RUNS` (400), as `make simulate` sets it.
  private static let runs = SimulatedRuns.count() / 10

  @Test(arguments: 0..<runs)
  func linksBreakAndEverythingArrivesOnce(seed: UInt64) throws {
    let world = try FeedWorld(seed: seed, nodes: 5)
    let key = try writer(world)
    // Half of the runs have one misbehaving node.
    let liar = world.random.number(0...1) == 0 ? FeedNode.Conduct.allCases.randomElement(using: &world.random) : nil
    world.nodes[4].conduct = liar ?? .honest
    for reader in world.nodes[1...] { reader.follow(key) }
    var written = 0
    for _ in 0..<60 {
      let (a, b) = (world.random.number(0...4), world.random.number(0...4))
      if a != b { world.isLinked(a, b) ? world.unlink(a, b) : world.link(a, b) }
      if world.random.number(0...2) > 0 {
        let count = world.random.number(1...10)
        try world.nodes[0].append(texts(written..<written + count), to: key)
        written += count
      }
      world.run(for: .milliseconds(world.random.number(1...400)))
    }
    for a in 0..<5 { for b in 0..<5 { world.link(a, b) } }
    let isDone = world.run(for: .seconds(120)) { world.nodes[1...].allSatisfy { $0.count(of: key) >= written } }
    #expect(isDone, "seed \(seed): \(world.nodes.map { $0.count(of: key) }) of \(written)")
    for reader in world.nodes {
      let isSame = reader.texts(of: key) == texts(0..<written)
      #expect(isSame, "seed \(seed)")
      for event in reader.events { #expect(event == .misbehaved(key, world.nodes[4].id), "seed \(seed)") }
    }
  }

  @Test(arguments: UInt64(0)..<10)
  func copiesAreReadWhileTheWriterIsAway(seed: UInt64) throws {
    let world = try FeedWorld(seed: seed, nodes: 4)
    let key = try writer(world)
    try world.nodes[0].append(texts(0..<30), to: key)
    world.link(0, 1)
    world.nodes[1].follow(key)
    #expect(world.run(for: .seconds(5)) { world.nodes[1].count(of: key) == 30 })
    world.unlink(0, 1)
    world.link(1, 2)
    world.link(2, 3)
    // Node 3 knows only node 2, which requests the messages itself while it is asked for them.
    world.nodes[2].follow(key)
    world.nodes[3].follow(key)
    #expect(world.run(for: .seconds(60)) { world.nodes[3].count(of: key) == 30 })
    // The writer returns at a distance: its messages travel over both nodes.
    world.link(0, 1)
    try world.nodes[0].append(["again"], to: key)
    #expect(world.run(for: .seconds(60)) { world.nodes[3].count(of: key) == 31 })
    #expect(world.nodes[3].texts(of: key) == texts(0..<30) + ["again"])
  }

  @Test(arguments: UInt64(0)..<10, FeedNode.Conduct.allCases.dropFirst())
  func aMisbehavingNodeIsReplacedByAnother(seed: UInt64, conduct: FeedNode.Conduct) throws {
    let world = try FeedWorld(seed: seed, nodes: 4)
    let key = try writer(world)
    try world.nodes[0].append(texts(0..<40), to: key)
    for node in 1...2 { world.link(0, node) }
    for node in 1...2 { world.nodes[node].follow(key) }
    #expect(world.run(for: .seconds(5)) { world.nodes[1...2].allSatisfy { $0.count(of: key) == 40 } })
    world.nodes[1].conduct = conduct
    world.unlink(0, 1)
    world.unlink(0, 2)
    world.link(1, 3)
    world.link(2, 3)
    world.nodes[3].follow(key)
    let isDone = world.run(for: .seconds(90)) { world.nodes[3].count(of: key) == 40 }
    #expect(isDone, "seed \(seed), \(conduct): \(world.nodes[3].count(of: key))")
    let isSame = world.nodes[3].texts(of: key) == texts(0..<40)
    #expect(isSame)
    for case .misbehaved(_, let node) in world.nodes[3].events { #expect(node == world.nodes[1].id) }
    for case .forked in world.nodes[3].events { Issue.record("seed \(seed): no node forked the feed") }
  }

  /// One to twenty misbehaving nodes with the feed, beside an honest one, which may be its writer.
  @Test(arguments: 0..<runs * 5)
  func anHonestHolderDeliversWhateverTheOthersDo(seed: UInt64) throws {
    let world = try FeedWorld(seed: seed, nodes: 2)
    let bad = world.random.number(1...20)
    let isMixed = world.random.number(0...1) == 0
    let kinds = FeedNode.Conduct.allCases.dropFirst()
    let kind = kinds.randomElement(using: &world.random) ?? .silent
    try expectDelivery(
      seed: seed, bad: bad, isWriter: world.random.number(0...3) == 0,
      (0..<bad).map { _ in isMixed ? kinds.randomElement(using: &world.random) ?? .silent : kind })
  }

  @Test(arguments: FeedNode.Conduct.allCases.dropFirst())
  func sixtyNodesOfAnyConductDelayNoMessage(conduct: FeedNode.Conduct) throws {
    try expectDelivery(
      seed: 1, bad: 60, isWriter: false, [FeedNode.Conduct](repeating: conduct, count: 60))
  }

  private func expectDelivery(seed: UInt64, bad: Int, isWriter: Bool, _ conducts: [FeedNode.Conduct]) throws {
    let world = try FeedWorld(seed: seed, nodes: bad + 3)
    let key = try writer(world)
    try world.nodes[0].append(texts(0..<60), to: key)
    let log = world.nodes[0].messages[key] ?? []
    let (honest, reader) = (isWriter ? 0 : world.random.number(1...bad + 1), bad + 2)
    for node in 1...bad + 1 {
      world.nodes[node].restore(log, world.nodes[0].proof(of: key), of: key)
      if node != honest { world.nodes[node].conduct = conducts[(node - 1) % bad] }
    }
    world.nodes[reader].follow(key)
    let start = world.now
    for node in (isWriter ? 0 : 1)...bad + 1 { world.link(node, reader) }
    let isDone = world.run(for: .seconds(3)) { world.nodes[reader].count(of: key) == 60 }
    let comment = "seed \(seed), \(conducts), \(honest) is honest"
    #expect(isDone, "\(comment): \(world.nodes[reader].count(of: key)) after \(world.now - start)")
    #expect(world.nodes[reader].texts(of: key) == texts(0..<world.nodes[reader].count(of: key)), "\(comment)")
  }

  /// The key's own node answers and then sends nothing more.
  @Test func aWriterThatStopsGivingIsNotWaitedFor() throws {
    for conduct in [FeedNode.Conduct.keepsBack, .silent] {
      let world = try FeedWorld(seed: 9, nodes: 3)
      let key = try writer(world)
      try world.nodes[0].append(texts(0..<30), to: key)
      world.nodes[1].restore(world.nodes[0].messages[key] ?? [], world.nodes[0].proof(of: key), of: key)
      world.nodes[0].conduct = conduct
      world.nodes[2].follow(key)
      world.link(0, 2)
      world.link(1, 2)
      #expect(world.run(for: .seconds(3)) { world.nodes[2].count(of: key) == 30 }, "\(conduct)")
    }
  }

  @Test(arguments: UInt64(0)..<10)
  func aForkIsReportedAndNeverMerged(seed: UInt64) throws {
    let world = try FeedWorld(seed: seed, nodes: 3)
    let key = try writer(world)
    _ = try writer(world, at: 1)
    // Both have the key, as after restoring a backup on a second machine.
    try world.nodes[0].append(texts(0..<5) + ["left 5", "left 6"], to: key)
    try world.nodes[1].append(texts(0..<5), to: key)
    world.nodes[1].restore(Array((world.nodes[0].messages[key] ?? []).prefix(5)), of: key)
    try world.nodes[1].append(["right 5", "right 6", "right 7"], to: key)
    world.nodes[2].follow(key)
    world.link(0, 2)
    #expect(world.run(for: .seconds(5)) { world.nodes[2].count(of: key) == 7 })
    world.unlink(0, 2)
    world.link(1, 2)
    #expect(world.run(for: .seconds(30)) { !world.nodes[2].events.isEmpty })
    #expect(world.nodes[2].events == [.forked(key, number: 7, toldBy: world.nodes[1].id)])
    #expect(world.nodes[2].texts(of: key) == texts(0..<5) + ["left 5", "left 6"])
    // The history stored here continues.
    world.link(0, 2)
    try world.nodes[0].append(["left 7"], to: key)
    #expect(world.run(for: .seconds(60)) { world.nodes[2].count(of: key) == 8 })
    #expect(world.nodes[2].texts(of: key).last == "left 7")
  }

  @Test func aSubscriberThatTakesNothingCostsOneRead() throws {
    let world = try FeedWorld(seed: 1, nodes: 2)
    let key = try writer(world)
    try world.nodes[0].append(texts(0..<2_000), to: key)
    world.nodes[1].isDiskFull = true
    world.link(0, 1)
    world.nodes[1].follow(key)
    world.run(for: .seconds(30))
    #expect(world.nodes[1].texts(of: key).isEmpty)
    world.nodes[1].isDiskFull = false
    #expect(world.run(for: .seconds(30)) { world.nodes[1].count(of: key) == 2_000 })
  }

  @Test func anUnreadFeedIsFollowedOnlyForAWhile() throws {
    let world = try FeedWorld(seed: 1, nodes: 2)
    let key = try writer(world)
    world.link(0, 1)
    world.nodes[1].follow(key)
    world.run(for: .seconds(1))
    world.nodes[1].unfollow(key)
    try world.nodes[0].append(["soon"], to: key)
    #expect(world.run(for: .seconds(1)) { world.nodes[1].texts(of: key) == ["soon"] })
    world.run(for: FeedEngine.lingering + .seconds(5))
    try world.nodes[0].append(["later"], to: key)
    world.run(for: .seconds(5))
    #expect(world.nodes[1].texts(of: key) == ["soon"])
    world.nodes[1].follow(key)
    #expect(world.run(for: .seconds(5)) { world.nodes[1].texts(of: key) == ["soon", "later"] })
  }

  @Test func onlyTheRealWriterIsFound() throws {
    let world = try FeedWorld(seed: 3, nodes: 3)
    let key = try writer(world)
    world.nodes[1].conduct = .boasts
    world.link(1, 2)
    world.nodes[2].seek(FeedSeekID(number: 1), key.feed, for: .seconds(2))
    world.run(for: .seconds(3))
    #expect(world.nodes[2].sought[FeedSeekID(number: 1)] == .copies)
    world.nodes[2].seek(FeedSeekID(number: 2), key.feed, for: .seconds(20))
    world.run(for: .seconds(1))
    world.link(0, 2)
    world.run(for: .seconds(1))
    #expect(world.nodes[2].sought[FeedSeekID(number: 2)] == .writer(world.nodes[0].id))
    world.unlink(0, 2)
    world.unlink(1, 2)
    world.nodes[2].seek(FeedSeekID(number: 3), key.feed, for: .seconds(2))
    world.run(for: .seconds(3))
    #expect(world.nodes[2].sought[FeedSeekID(number: 3)] == .nowhere)
  }

  @Test func submissionsAreAppendedOrRefusedOrSaidToBeLost() throws {
    let world = try FeedWorld(seed: 4, nodes: 2)
    let key = try writer(world)
    let reader = world.nodes[1]
    func submit(_ number: UInt64, _ text: String) {
      reader.submit(SubmitID(number: number), text, to: key, for: .seconds(5))
    }
    func code(_ number: UInt64) -> KacheryError.Code? {
      reader.submitted[SubmitID(number: number)].flatMap { $0?.code }
    }

    submit(1, "nobody there")
    world.run(for: .seconds(6))
    #expect(code(1) == .noMemberOnline)
    world.link(0, 1)
    submit(2, "not let")
    world.run(for: .seconds(2))
    #expect(code(2) == .refusedByPeer)
    world.nodes[0].mayWrite = [reader.id]
    submit(3, "let")
    world.run(for: .seconds(2))
    #expect(reader.submitted[SubmitID(number: 3)] != nil)
    #expect(code(3) == nil)
    world.nodes[0].conduct = .silent
    submit(4, "never answered")
    world.run(for: .seconds(6))
    #expect(code(4) == .timedOut)
    submit(5, "cut off")
    world.run(for: .seconds(1))
    world.unlink(0, 1)
    #expect(code(5) == .disconnected)
    #expect(world.nodes[0].texts(of: key).prefix(1) == ["let"])
  }

  @Test func aPeerMayNotAskForMoreThanItsShare() throws {
    var engine = FeedEngine()
    let now = Instant(nanoseconds: 1)
    let peer = try SigningKey.generate().publicKey
    let channel = AskableChannel(topic: .filled(with: 1), proof: .filled(with: 2))
    let key = SubfeedKey(FeedID(key: peer), try SubfeedHash(name: "main"))
    let link = LinkID(number: 1)
    engine.linkOpened(link, to: peer, binding: [])
    engine.setPeers([(peer, [channel], link)], at: now)
    var refused = 0
    var reads = 0
    for id in 0..<UInt32(FeedEngine.maximumServed + 10) {
      engine.received(.subscribe(id: id, channel.proof, key, position: 0), over: link, isPermitted: true)
    }
    for id in 0..<UInt32(FeedEngine.maximumPending + 10) {
      engine.received(.query(id: id, channel.proof, key.feed), over: link, isPermitted: true)
      engine.received(.submit(id: id, channel.proof, key, message: []), over: link, isPermitted: true)
    }
    engine.received(.query(id: 9, channel.proof, key.feed), over: link, isPermitted: false)
    while let effect = engine.nextEffect() {
      if case .answer(_, .refused) = effect { refused += 1 }
      if case .work(.read) = effect { reads += 1 }
    }
    #expect(refused == 31)
    // However many subscriptions there are, only one read at a time is made per peer.
    #expect(reads == 1)
  }
}

import Primitives
import TestSupport
import Testing
import Transfer

/// Batches of simulated nodes. Each failure names its seed.
@Suite struct BatchEngineTests {
  private static let limit: Duration = .seconds(3)

  /// `KACHERY_SIMULATED_RUNS`, as `make simulate` sets it.
  private static let runs = SimulatedRuns.count()

  private func expectAll(_ count: Int, of world: BatchWorld, since start: Instant, _ comment: String) {
    #expect(world.stored.count == count, "\(comment): \(world.stored.count) of \(count), failed \(world.failed)")
    let latest = world.stored.values.max() ?? start
    #expect(latest - start <= Self.limit, "\(comment): the last file came after \(latest - start)")
  }

  /// One to twenty nodes of any kind beside an honest one, at any position among them.
  @Test(arguments: 0..<runs)
  func anHonestNodeDeliversWhateverTheOthersDo(seed: UInt64) {
    let world = BatchWorld(seed: seed)
    let bad = world.random.number(1...20)
    let honest = world.random.number(0...bad)
    let isMixed = world.random.chance(50)
    let kind = BatchWorld.Conduct.bad.randomElement(using: &world.random) ?? .silent
    let start = world.now
    for number in 0...bad {
      let other = isMixed ? BatchWorld.Conduct.bad.randomElement(using: &world.random) ?? .silent : kind
      world.join(number, number == honest ? .honest : other)
    }
    let count = world.random.number(1...100)
    world.add(count)
    world.run(for: .seconds(60))
    expectAll(count, of: world, since: start, "seed \(seed), \(bad) \(isMixed ? "of all kinds" : "\(kind)")")
  }

  @Test(arguments: BatchWorld.Conduct.bad, [1, 50, 300])
  func sixtyNodesOfAnyKindDelayNoFile(conduct: BatchWorld.Conduct, count: Int) {
    for honest in [0, 60] {
      let world = BatchWorld(seed: UInt64(honest))
      let start = world.now
      for number in 0...60 { world.join(number, number == honest ? .honest : conduct) }
      world.add(count)
      world.run(for: .seconds(60))
      expectAll(count, of: world, since: start, "\(conduct), the honest one at \(honest)")
    }
  }

  /// Files spread over honest nodes, each on only one of them, beside other nodes.
  @Test(arguments: 0..<runs / 4)
  func filesInOnePlaceOnlyAreFound(seed: UInt64) {
    let world = BatchWorld(seed: seed)
    let (honest, bad) = (world.random.number(1...6), world.random.number(0...12))
    let count = world.random.number(1...80)
    let places = (0..<count).map { _ in world.random.number(0...honest - 1) }
    let start = world.now
    for number in 0..<honest {
      world.join(number * 3, .honest, holding: Set((0..<count).filter { places[$0] == number }))
    }
    for number in 0..<bad {
      world.join(number * 3 + 1, BatchWorld.Conduct.bad.randomElement(using: &world.random) ?? .silent)
    }
    world.add(count)
    world.run(for: .seconds(60))
    expectAll(count, of: world, since: start, "seed \(seed)")
  }

  /// Nodes that do their best, however slowly, and are the only source.
  @Test func aNodeOnItsOwnIsWaitedFor() {
    let slow = BatchWorld(seed: 1)
    slow.join(1, .givesSlowly)
    slow.add(60)
    slow.run(for: .seconds(90))
    #expect(slow.stored.count == 60)
    #expect(slow.questions == 60)
    let busy = BatchWorld(seed: 2)
    busy.join(1, .waits)
    busy.add(3)
    busy.run(for: BatchEngine.longestWait - .seconds(10))
    #expect(busy.failed.isEmpty)
    busy.run(for: .seconds(20))
    #expect(Array(busy.failed.values) == [.needsEngine, .needsEngine, .needsEngine])
    let silent = BatchWorld(seed: 3)
    silent.join(1, .silent)
    silent.add(1)
    silent.run(for: BatchEngine.silence - .seconds(1))
    #expect(silent.failed.isEmpty)
    silent.run(for: .seconds(10))
    #expect(silent.failed[0] == .needsEngine)
  }

  /// A node that is lost again and again continues each time it returns, as long as it sends something in between.
  @Test(arguments: 0..<UInt64(20))
  func aNodeThatReturnsContinues(seed: UInt64) {
    let world = BatchWorld(seed: seed)
    world.join(1, .givesSlowly)
    for other in 2..<2 + world.random.number(0...3) { world.join(other, .refuses) }
    world.add(20)
    for _ in 0..<8 {
      world.run(for: .milliseconds(world.random.number(1_500...4_000)))
      world.unlink(1)
      world.run(for: .milliseconds(world.random.number(100...4_500)))
      world.link(1)
    }
    world.run(for: .seconds(60))
    #expect(world.stored.count == 20, "seed \(seed): \(world.failed)")
  }

  /// Thousands of files are requested from the node that sends them, and not from one that has none and quickly says
  /// so.
  @Test func aNodeThatHasNothingIsHardlyAsked() {
    let world = BatchWorld(seed: 7)
    world.join(1, .honest)
    world.join(2, .refuses)
    world.add(5_000)
    world.run(for: .seconds(60))
    #expect(world.stored.count == 5_000)
    #expect(world.questions < 5_200, "\(world.questions - 5_000) questions too many")
  }

  /// A disk that is slower than the link: files arrive between the losses, and none of them is checked yet.
  @Test func aNodeThatDeliversBetweenItsLossesIsAskedAgain() {
    var engine = BatchEngine()
    let node = NodeID.filled(with: 1)
    let now = Instant(nanoseconds: 1_000_000_000)
    engine.linked(node, at: now)
    engine.add(10, at: now)
    for file in 0..<9 {
      engine.wake(at: now)
      var asked: Set<Int> = []
      while let effect = engine.nextEffect() {
        if case .request(_, let files) = effect { asked.formUnion(files) }
      }
      #expect(asked == Set(file..<10))
      let isWanted = engine.received(file, from: node, at: now)
      #expect(isWanted)
      engine.lost(node, at: now)
      engine.linked(node, at: now)
    }
  }

  @Test func aNodeThatStaysAwayIsGivenUp() {
    let world = BatchWorld(seed: 5)
    world.join(1, .silent)
    world.join(2, .refuses)
    world.add(5)
    world.run(for: .seconds(1))
    world.unlink(1)
    world.run(for: BatchEngine.timeToReturn - .seconds(1))
    #expect(world.failed.isEmpty)
    world.run(for: .seconds(3))
    #expect(world.failed.count == 5)
    #expect(world.failed.values.allSatisfy { $0 == .needsEngine })
  }

  @Test func aNodeThatAppearsLaterHelps() {
    let world = BatchWorld(seed: 6)
    world.join(1, .silent)
    world.join(2, .waits)
    world.add(200)
    world.run(for: .seconds(10))
    let start = world.now
    world.join(3, .honest)
    world.run(for: .seconds(5))
    expectAll(200, of: world, since: start, "appeared late")
  }

  @Test func aFileThatNoNodeHasIsNowhere() {
    let world = BatchWorld(seed: 7)
    for number in 0..<5 { world.join(number, .honest, holding: [0]) }
    world.add(2)
    world.run(for: .seconds(5))
    #expect(world.stored[0] != nil)
    #expect(world.failed == [1: .nowhere(asked: 5)])
  }

  /// There is no bit for the last one: the engine for large files has to ask it.
  @Test func moreNodesThanCanBeKeptMakeNothingUnfindable() {
    let world = BatchWorld(seed: 8)
    for number in 0..<BatchSearch.maximumNodes { world.join(number, .refuses) }
    world.join(BatchSearch.maximumNodes, .honest)
    world.add(2)
    world.run(for: .seconds(5))
    #expect(world.failed == [0: .needsEngine, 1: .needsEngine])
  }

  /// Nodes that answer quickly are not asked for files that others are about to send.
  @Test(arguments: 0..<UInt64(10))
  func honestNodesAreAskedOnce(seed: UInt64) {
    let world = BatchWorld(seed: seed)
    for number in 0..<3 { world.join(number, .honest) }
    world.add(4_000)
    world.run(for: .seconds(60))
    #expect(world.stored.count == 4_000)
    #expect(world.questions < 4_100, "seed \(seed): \(world.questions) questions")
  }
}

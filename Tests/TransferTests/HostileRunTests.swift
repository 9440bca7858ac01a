import Primitives
import TestSupport
import Testing
import Transfer

/// One honest node among dishonest ones of every kind, drawn from a seed: it delivers within three seconds, and the
/// file arrives.
///
/// A failing run names its seed. `KACHERY_SIMULATED_RUNS=5000` sets the number of runs (`make simulate`), starting at
/// `KACHERY_SIMULATED_FIRST`.
@Suite struct HostileRunTests {
  private static let parts = SimulatedRuns.parts(of: 100)

  /// A world with an honest node and up to twenty others.
  private func world(_ seed: UInt64, liars: Int? = nil, _ shape: (inout Peer, HostileWorld) -> Void) -> HostileWorld {
    let world = HostileWorld(seed: seed)
    var honest = Peer(
      node: world.newNode(), latency: .milliseconds(world.random.number(1...80)),
      rate: world.random.number(2_000...500_000))
    honest.isHonest = true
    if world.size > HostileWorld.chunkSize, world.random.chance(60) { honest.manifest = world.manifestHash }
    world.peers.append(honest)
    for _ in 0..<(liars ?? world.random.number(1...20)) {
      var liar = Peer(
        node: world.newNode(), latency: .milliseconds(world.random.number(0...60)),
        rate: world.random.number(100...1_000_000))
      shape(&liar, world)
      world.peers.append(liar)
    }
    return world
  }

  private func check(_ world: HostileWorld, isManifestKnown: Bool, _ seed: UInt64) {
    defer { world.clock.clear() }
    let isNamed = isManifestKnown && world.peers[0].manifest != nil
    let start = world.clock.now
    world.load(FileKey(hash: world.hash, manifest: isNamed ? world.manifestHash : nil))
    let hasEnded = world.run(for: .seconds(120))
    let scene = "seed \(seed), \(world.size) bytes, \(world.peers), \(String(describing: world.failure))"
    #expect(hasEnded && world.isLoaded, "\(scene)")
    #expect(world.complaints == [], "\(scene)")
    // Others may send right bytes before they misbehave again.
    let loaded = world.loadedAt.map { $0 - start } ?? .seconds(999)
    let asked = world.honestAskedAt.map { $0 - start } ?? loaded
    #expect(asked <= .seconds(3), "\(asked), \(scene)")
    #expect(world.mostDownloads <= 40 && world.effectCount < 20_000, "\(world.mostDownloads), \(scene)")
  }

  @Test(arguments: parts)
  func anHonestNodeDelivers(_ seeds: Range<UInt64>) {
    for seed in seeds {
      let world = world(seed) { liar, world in
        liar.saying = Saying.allCases[world.random.number(0...Saying.allCases.count - 1)]
        // Some make only true claims, but are slow.
        liar.giving =
          Giving.allCases[world.random.number(world.random.chance(10) ? 0...0 : 1...Giving.allCases.count - 1)]
        switch world.random.number(0...3) {
        case 0: liar.manifest = world.manifestHash
        case 1: liar.manifest = world.newFalseManifest()
        case 2: liar.manifest = world.falseManifests.keys.min() ?? world.newFalseManifest()
        default: break
        }
      }
      check(world, isManifestKnown: world.random.chance(40), seed)
    }
  }

  /// Twenty of one kind.
  @Test(arguments: Saying.allCases, Giving.allCases.filter { $0 != .right })
  func manyOfOneKindDoNotKeepAnHonestNodeBack(_ saying: Saying, _ giving: Giving) {
    for seed in 0..<6 as Range<UInt64> {
      for names in 0..<3 {
        let world = world(seed, liars: 20) { liar, world in
          (liar.saying, liar.giving) = (saying, giving)
          if names == 1 { liar.manifest = world.manifestHash }
          if names == 2 { liar.manifest = world.newFalseManifest() }
        }
        check(world, isManifestKnown: seed.isMultiple(of: 2), seed)
      }
    }
  }

  /// The only source is lost again and again, and returns: nothing is received twice.
  @Test(arguments: 0..<60 as Range<UInt64>)
  func aSourceThatIsLostAndReturnsContinues(_ seed: UInt64) {
    let world = world(seed, liars: 0) { _, _ in }
    defer { world.clock.clear() }
    world.peers[0].rate = 1_000
    let node = world.peers[0].node
    world.load(FileKey(hash: world.hash, manifest: world.peers[0].manifest))
    for _ in 0..<world.random.number(2...6) {
      _ = world.run(for: .milliseconds(world.random.number(500...3_000)))
      world.lose(node, for: .milliseconds(world.random.number(100...4_000)))
    }
    let hasEnded = world.run(for: .seconds(200))
    #expect(hasEnded && world.isLoaded && world.complaints == [], "seed \(seed): \(String(describing: world.failure))")
    #expect(
      world.honestBytes <= world.size + 1_000 + 10 * 60, "seed \(seed): \(world.honestBytes) of \(world.size) bytes")
  }
}

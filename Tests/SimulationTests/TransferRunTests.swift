import Crypto
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// One file and everything that may happen to it, drawn from a seed: how it is cut, which nodes have it, which make
/// false claims about it, what an earlier session left, whose links break, which nodes leave and return or restart.
///
/// A failing run names its seed. Seeds that once failed are kept. `KACHERY_SIMULATED_RUNS=5000` sets the number of runs
/// (`make simulate`), starting at `KACHERY_SIMULATED_FIRST`.
@Suite struct TransferRunTests {
  private static let parts = SimulatedRuns.parts(of: 50, usually: 100)

  private func play(_ seed: UInt64) throws -> [String] {
    let run = try TransferRun(seed: seed)
    defer { run.lab.network.dismantle() }
    return run.play()
  }

  @Test(arguments: parts)
  func theFileArrivesWhateverHappens(_ seeds: Range<UInt64>) throws {
    for seed in seeds {
      let complaints = try play(seed)
      #expect(complaints == [], "seed \(seed)")
    }
  }

  @Test(
    arguments: [
      60, 101, 133, 151, 164, 395, 413, 782, 867, 1_005, 1_340, 3_205, 4_791, 5_512, 10_090, 10_110, 11_111, 12_209,
      14_899,
    ] as [UInt64])
  func whatOnceFailedHolds(_ seed: UInt64) throws {
    let complaints = try play(seed)
    #expect(complaints == [], "seed \(seed)")
  }
}

/// One run.
final class TransferRun {
  let lab: Lab
  private let key: FileKey
  private let bytes: [UInt8]
  private let asker: SimNode
  private let sources: [SimNode]
  /// The violations found.
  private var complaints: [String] = []
  private var loads: [LoadID] = []
  private var hasMishaps = false
  private var hasOnlyHonest = true

  init(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &* 0x1000 &+ 77)
    lab = try Lab(seed: seed, members: random.number(2...6), manifestThreshold: UInt64(random.number(1...3)) * 1_000)
    asker = lab.members[0]
    sources = Array(lab.members.dropFirst())
    let size = [0, 1, 999, 1_000, 2_999, 3_001, 7_500, 12_345, 40_000][random.number(0...8)]
    let chunkSize = [100, 512, 1_000, 1_777, 3_000][random.number(0...4)]
    bytes = lab.network.random.bytes(size)
    let honest = sources[random.number(0...sources.count - 1)]
    var manifest: ContentHash?
    for source in sources where source === honest || random.chance(70) {
      let isCut = random.chance(70)
      let stored = source.store.store(bytes, chunkSize: isCut && size > 0 ? chunkSize : nil)
      manifest = manifest ?? (source === honest ? stored.manifest : nil)
      source.blockSize = random.number(50...2_000)
      source.blockTime = .milliseconds(random.number(1...60))
      guard source !== honest, random.chance(50) else { continue }
      hasOnlyHonest = false
      source.spoil(.of(bytes), Conduct.allCases[random.number(0...Conduct.allCases.count - 1)], &random)
      if random.chance(30) { (source.conduct, source.refusal) = (.refuses, .limitReached) }
    }
    key = FileKey(hash: .of(bytes), manifest: random.chance(50) ? manifest : nil)
  }

  private var network: SimNetwork { lab.network }

  /// Starts loads and faults, then stops the faults, after which the file must arrive; returns the violations.
  func play() -> [String] {
    for _ in 0..<network.random.number(0...10) {
      _ = network.clock.run(for: .milliseconds(network.random.number(0...1_500)))
      mishap()
    }
    for node in lab.members { network.heal(node) }
    _ = network.clock.run(for: .seconds(hasMishaps ? 90 : 0))
    if !hasMishaps, hasOnlyHonest, loads.isEmpty { return playInPeace() }
    loadAgain()
    return judge()
  }

  private func mishap() {
    let what = network.random.number(0...9)
    network.note("mishap \(what)")
    switch what {
    case 0...2: if asker.store.files[key.hash] == nil { loads.append(asker.load(key)) }
    case 3:
      guard let load = loads.popLast() else { return }
      hasMishaps = true
      if asker.outcomes[load] == nil { asker.cancel(load) }
    case 4: hurt { network.link(between: asker, and: $0)?.cut() }
    case 5:
      hurt { source in
        network.isolate(source)
        network.clock.after(.seconds(network.random.number(1...40))) { [network] in network.heal(source) }
      }
    case 6:
      hasMishaps = true
      network.restart(asker, [Lab.channel])
      loads = []
    case 7: hurt { network.restart($0, [Lab.channel]) }
    case 8:
      hurt { source in
        guard source.conduct == .honest else { return }
        (source.conduct, source.refusal) = (.refuses, .limitReached)
        network.clock.after(.seconds(network.random.number(1...40))) { source.conduct = .honest }
      }
    default: hurt { $0.blockTime = .milliseconds(network.random.number(1...200)) }
    }
  }

  private func hurt(_ harm: (SimNode) -> Void) {
    hasMishaps = true
    harm(sources[network.random.number(0...sources.count - 1)])
  }

  /// All nodes are healthy again: whatever failed before, the file must now arrive.
  private func loadAgain() {
    for node in lab.members where !asker.isLinked(to: node) && node !== asker {
      _ = network.clock.run(for: .seconds(120)) { asker.isLinked(to: node) }
    }
    guard asker.store.files[key.hash] == nil else { return }
    loads.append(asker.load(key))
    _ = lab.finish(loads.map { (asker, $0) }, within: .seconds(400))
    guard let last = loads.last else { return }
    if asker.outcomes[last]?.isSuccess != true {
      complaints.append("it does not arrive: \(String(describing: asker.outcomes[last]))")
    }
  }

  /// Without faults, no byte is received twice.
  private func playInPeace() -> [String] {
    let isManifestHere = asker.store.manifests[key.hash] != nil
    loadAgain()
    let manifests = Set(
      sources.compactMap { $0.store.manifests[key.hash] }.compactMap { hash in
        sources.lazy.compactMap { $0.store.files[hash]?.count }.first
      })
    let wasted = asker.receivedBytes - bytes.count
    let allowed = isManifestHere ? 0 : manifests.reduce(0, +)
    let hasOne = sources.count { $0.store.files[key.hash] != nil } == 1
    if hasOne, wasted < 0 || wasted > allowed { complaints.append("\(wasted) bytes more than needed arrived") }
    return judge()
  }

  private func judge() -> [String] {
    if asker.store.files[key.hash] != bytes { complaints.append("the file is not here") }
    if asker.store.openDownloads > 0 { complaints.append("\(asker.store.openDownloads) downloads are left open") }
    for load in loads where asker.outcomes[load] == nil { complaints.append("the load \(load.number) hangs") }
    for source in sources where asker.liars.contains(source.id) && !source.conduct.isLying {
      complaints.append("the honest \(source.name) is penalized")
    }
    complaints += network.complaints
    return complaints.isEmpty ? [] : complaints + [scene]
  }

  /// The nodes, for reading a failed run.
  private var scene: String {
    let nodes = sources.map { source in
      let holds = source.store.files[key.hash] != nil ? "has it" : "does not have it"
      let refusal = source.conduct == .refuses ? " (\(source.refusal))" : ""
      return "\(source.name) \(source.id.short) \(source.conduct)\(refusal), \(holds), "
        + (asker.isLinked(to: source) ? "linked" : "not linked")
    }
    let diagnosis = asker.diagnose(key)
    return "\(bytes.count) bytes; \(nodes.joined(separator: "; ")); \(diagnosis.summary) \(diagnosis.evidence)"
  }
}

import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Random events: files, bad nodes, lost links, partitions and dead nodes drawn from a seed. A failing run names its
/// seed, which reproduces the failure. Seeds that once failed are kept; for a long run widen the first range.
@Suite struct RandomRunTests {
  @Test(arguments: [0..<25, 25..<50, 50..<75, 75..<100, 250..<251, 983..<984] as [Range<UInt64>])
  func theLawsHold(_ seeds: Range<UInt64>) throws {
    for seed in seeds {
      let run = try RandomRun(seed: seed)
      defer { run.lab.network.dismantle() }
      try run.play()
      #expect(run.complaints() == [], "seed \(seed)")
    }
  }

  @Test func everyConductOccurs() throws {
    var conducts: Set<Conduct> = []
    for seed in 0..<200 as Range<UInt64> where conducts.count < Conduct.allCases.count {
      let run = try RandomRun(seed: seed)
      defer { run.lab.network.dismantle() }
      conducts.formUnion(run.lab.members.map(\.conduct))
    }
    #expect(conducts == Set(Conduct.allCases))
  }

  @Test(arguments: [1, 7, 42] as [UInt64])
  func aSeedRepeatsItsRun(_ seed: UInt64) throws {
    let stories = try (0..<3).map { _ in
      let run = try RandomRun(seed: seed, keepsTrace: true)
      defer { run.lab.network.dismantle() }
      try run.play()
      return run.lab.network.trace
    }
    #expect(stories[0].count > 20)
    for story in stories.dropFirst() {
      let difference = zip(stories[0], story).first { $0 != $1 }
      #expect(difference == nil && story.count == stories[0].count, "seed \(seed)")
    }
  }
}

/// Swift hashes with another seed in each process, so only two processes reveal a dependence on the order of a set.
extension RandomRunTests {
  @Test func aSeedRepeatsItsRunInEveryProcess() throws {
    try ProcessTraces.compare("SimulationTests.RandomRunTests/aSeedRepeatsItsRunInEveryProcess") {
      try (0..<8 as Range<UInt64>).flatMap { seed in
        let run = try RandomRun(seed: seed, keepsTrace: true)
        defer { run.lab.network.dismantle() }
        try run.play()
        // A file-private type is printed with an address.
        return run.lab.network.trace.map { $0.replacing(/\(unknown context at \$[0-9a-f]+\)\./, with: "") }
      }
    }
  }
}

/// One run with a few nodes, files and faults.
final class RandomRun {
  let lab: Lab
  private let keys: [FileKey]
  private let contents: [ContentHash: [UInt8]]
  private var loads: [(node: SimNode, key: FileKey, load: LoadID)] = []
  private var untouched: Set<NodeID>

  init(seed: UInt64, keepsTrace: Bool = false) throws {
    lab = try Lab(seed: seed, members: 2 + Int(seed % 4), keepsTrace: keepsTrace)
    let network = lab.network
    untouched = Set(lab.members.map(\.id))
    var keys: [FileKey] = []
    var contents: [ContentHash: [UInt8]] = [:]
    for _ in 0..<network.random.number(1...3) {
      let size = [0, 1, 600, 2_000, 2_001, 15_000][network.random.number(0...5)]
      let bytes = network.random.bytes(size)
      let chunkSize = size > 2_000 && network.random.chance(70) ? 1_000 : nil
      for holder in lab.members.dropFirst() where network.random.chance(50) {
        keys.append(holder.store.store(bytes, chunkSize: chunkSize))
        if network.random.chance(30) {
          holder.spoil(
            .of(bytes), Conduct.allCases[network.random.number(0...Conduct.allCases.count - 1)], &network.random)
        }
      }
      contents[.of(bytes)] = bytes
    }
    self.keys = keys.isEmpty ? [FileKey(hash: .of([]))] : keys
    self.contents = contents
  }

  /// Starts loads and faults, and then waits as long as the slowest failure takes.
  func play() throws {
    let network = lab.network
    for _ in 0..<network.random.number(1...12) {
      _ = network.clock.run(for: .milliseconds(network.random.number(0...400)))
      switch network.random.number(0...9) {
      case 0: cutALink()
      case 1: isolateSomebody()
      case 2: killSomebody()
      default: loadSomething()
      }
    }
    loadSomething()
    _ = lab.finish(loads.map { ($0.node, $0.load) }, within: .seconds(600))
  }

  private func somebody() -> SimNode { lab.members[lab.network.random.number(0...lab.members.count - 1)] }

  private func loadSomething() {
    let network = lab.network
    let node = network.random.chance(70) ? lab.members[0] : somebody()
    var key = keys[network.random.number(0...keys.count - 1)]
    if network.random.chance(50) { key = FileKey(hash: key.hash) }
    guard node.isRunning, node.store.files[key.hash] == nil else { return }
    loads.append((node, key, node.load(key)))
    if network.random.chance(10), let last = loads.popLast() { last.node.cancel(last.load) }
  }

  private func cutALink() {
    let (one, other) = (somebody(), somebody())
    untouched.subtract([one.id, other.id])
    lab.network.link(between: one, and: other)?.cut()
  }

  private func isolateSomebody() {
    let node = somebody()
    untouched.remove(node.id)
    lab.network.isolate(node)
    if lab.network.random.chance(50) {
      lab.network.clock.after(.seconds(lab.network.random.number(1...60))) { [network = lab.network] in
        network.heal(node)
      }
    }
  }

  private func killSomebody() {
    let node = somebody()
    guard node !== lab.members[0] else { return }
    untouched.remove(node.id)
    node.kill()
  }

  // MARK: The laws

  func complaints() -> [String] {
    var complaints = lab.network.complaints
    for (node, key, load) in loads where node.isRunning {
      switch node.outcomes[load] {
      case nil: complaints.append("a load of \(node.name) hangs")
      case .success?:
        if node.store.files[key.hash] == nil { complaints.append("\(node.name) loaded a file that it has not") }
      case .failure(let error)?:
        if mustSucceed(node, key) { complaints.append("\(node.name) failed: \(error)") }
      }
    }
    for node in lab.members { complaints += complaintsOfStore(of: node) }
    return complaints
  }

  /// Whether nothing happened to the requesting node and at least one honest node that has the file.
  private func mustSucceed(_ node: SimNode, _ key: FileKey) -> Bool {
    let holders = lab.members.filter {
      $0.conduct == .honest && $0 !== node && untouched.contains($0.id) && hadFromStart($0, key.hash)
    }
    // A manifest from a dishonest node that was part of the request is the requester's mistake.
    let isTrueManifest = key.manifest == nil || holders.contains { $0.store.manifests[key.hash] == key.manifest }
    return untouched.contains(node.id) && !holders.isEmpty && isTrueManifest
  }

  private func hadFromStart(_ node: SimNode, _ hash: ContentHash) -> Bool {
    node.store.files[hash] != nil && !loads.contains { $0.node === node && $0.key.hash == hash }
  }

  private func complaintsOfStore(of node: SimNode) -> [String] {
    var complaints = node.store.files.filter { ContentHash.of($0.value) != $0.key }.map {
      "\(node.name) has admitted \($0.key) with other bytes"
    }
    for liar in lab.members where node.liars.contains(liar.id) && liar.conduct == .honest {
      complaints.append("\(node.name) penalizes the honest \(liar.name)")
    }
    return complaints
  }
}

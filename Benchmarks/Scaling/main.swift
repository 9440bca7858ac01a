// Measures what one piece of a download costs the core, for several file sizes, and with the argument `members` what a
// member costs a bootstrap node, for several numbers of them: the time must not grow with the size or the number.
//
// The core decides which node is asked for which piece; no bytes are moved. Two sources send pieces of 20 MB in turn.
// The sizes take turns, so that other work on the machine affects each of them. `Benchmarks/scaling.py` builds and runs
// it.
import Primitives
import Transfer
import Wire

/// A file that is downloaded from two nodes, one input at a time.
struct Simulation {
  private let hash: ContentHash
  private let manifestHash: ContentHash
  private let manifest: Manifest
  private let peers: [AskedPeer]
  private var engine = TransferEngine()
  private var now = Instant(nanoseconds: 0)
  private var waiting: [FetchID] = []
  private(set) var isLoaded = false
  private(set) var pieces = 0

  init(bytes: UInt64) {
    func fixed<Value: FixedBytes>(_ byte: UInt8) -> Value {
      guard let value = Value(bytes: [UInt8](repeating: byte, count: Value.byteCount)) else {
        preconditionFailure("as many bytes as it has")
      }
      return value
    }
    (hash, manifestHash) = (fixed(1), fixed(2))
    let count = Int((bytes + Limits.chunkSize - 1) / Limits.chunkSize)
    manifest = Manifest(
      size: bytes, hash: hash, chunkHashes: [ContentHash](repeating: fixed(3), count: count))
    peers = [4, 5].map { AskedPeer(node: fixed($0), topic: fixed(6)) }
  }

  /// Downloads the whole file.
  mutating func run() {
    engine.load(LoadID(number: 1), FileQuery(key: FileKey(hash: hash, manifest: manifestHash)), at: now)
    drain()
    while !waiting.isEmpty {
      let fetch = waiting.removeFirst()
      now = now + .milliseconds(100)
      engine.received(fetch, Limits.chunkSize, at: now)
      engine.fetched(fetch, .verified, at: now)
      pieces += 1
      drain()
    }
  }

  private mutating func drain() {
    while let effect = engine.nextEffect() {
      switch effect {
      case .ask(let question):
        engine.asked(question.id, peers, at: now)
        for peer in peers {
          let file = FindAnswer.File(size: manifest.size, manifest: manifestHash)
          engine.answered(question.id, by: peer.node, .has(file), at: now)
        }
      case .download(.readManifest(let id, _, _)): engine.manifestRead(id, manifest, at: now)
      case .download(.prepare(let id, _)): engine.prepared(id, at: now)
      case .download(.complete(let id)): engine.completed(id, .admitted, at: now)
      case .fetch(let fetch, _): waiting.append(fetch.id)
      case .client(.loaded): isLoaded = true
      default: break
      }
    }
  }
}

func printDownloads() {
  let sizes: [(name: String, bytes: UInt64)] = [
    ("1 GB", 1_000_000_000), ("10 GB", 10_000_000_000), ("100 GB", 100_000_000_000), ("1 TB", 1_000_000_000_000),
    ("10 TB", 10_000_000_000_000),
  ]
  let clock = ContinuousClock()
  var microseconds = [[Double]](repeating: [], count: sizes.count)
  for _ in 0..<5 {
    for (index, size) in sizes.enumerated() {
      // Small files are downloaded several times; otherwise the clock would be too coarse.
      var (pieces, time) = (0, Duration.zero)
      repeat {
        var simulation = Simulation(bytes: size.bytes)
        time += clock.measure { simulation.run() }
        guard simulation.isLoaded else { fatalError("the simulated load of \(size.name) did not end") }
        pieces += simulation.pieces
      } while pieces < 20_000
      microseconds[index].append(
        Double(time.components.attoseconds) / 1e12 / Double(pieces) + Double(time.components.seconds) * 1e6
          / Double(pieces))
    }
  }
  let medians = microseconds.map { $0.sorted()[$0.count / 2] }
  for (size, median) in zip(sizes, medians) {
    print(
      "\(size.name)\t\(size.bytes / Limits.chunkSize)\t\((median * 100).rounded() / 100)\t\((median / medians[0] * 100).rounded() / 100)"
    )
  }
}

func printMembers() {
  let counts = [100, 1_000, 10_000]
  var meetings = counts.map { Meeting(members: $0) }
  var costs = [[MeetingCost]](repeating: [], count: counts.count)
  for _ in 0..<9 {
    for index in meetings.indices { costs[index].append(MeetingCost(of: &meetings[index])) }
  }
  for (count, costs) in zip(counts, costs) {
    let medians = [costs.map(\.member), costs.map(\.record), costs.map(\.messages)].map { $0.sorted()[$0.count / 2] }
    print("\(count)\t\(count / Meeting.membersOfChannel)\t\(medians[0])\t\(medians[1])\t\(medians[2])")
  }
}

if CommandLine.arguments.dropFirst().first == "members" { printMembers() } else { printDownloads() }

import Primitives
import TestSupport
import Transfer
import Wire

/// A node's claim about a file.
enum Saying: CaseIterable {
  case truth
  /// 10^14 bytes.
  case huge
  /// More than a file can have.
  case impossible
  case small
  case almost
}

/// A node's reaction to a request for bytes.
enum Giving: CaseIterable {
  case right
  case nothing
  /// Reports that this node has to wait, again and again.
  case waits
  /// A byte now and then.
  case drips
  case wrong
  case refuses
  case busy
}

/// A node of the hostile world.
struct Peer {
  let node: NodeID
  var saying = Saying.truth
  var giving = Giving.right
  /// The manifest that it names for the file.
  var manifest: ContentHash?
  var latency: Duration
  /// Bytes per second.
  var rate: Int
  var isHonest = false
}

/// One engine and the nodes around it, one of which is honest, under a virtual clock. No bytes are moved: the world
/// knows which ones would be right.
final class HostileWorld {
  static let chunkSize: UInt64 = 1_000

  let seed: UInt64
  let clock = SimClock()
  var random: SeededRandom
  var engine: TransferEngine
  let hash: ContentHash
  let size: UInt64
  let manifest: Manifest
  let manifestHash: ContentHash
  /// Manifests that dishonest nodes have made; their hashes are right.
  private(set) var falseManifests: [ContentHash: Manifest] = [:]
  var peers: [Peer] = []
  /// Bytes available on the disk.
  let room: UInt64 = 1_000_000

  private(set) var complaints: [String] = []
  private(set) var loadedAt: Instant?
  private(set) var failure: TransferFailure?
  var isLoaded: Bool { loadedAt != nil }
  /// When the honest node was first asked for bytes, and when it first sent some.
  private(set) var honestAskedAt: Instant?
  private(set) var honestGaveAt: Instant?
  private(set) var mostDownloads = 0
  private(set) var effectCount = 0
  /// Bytes of pieces that a fetch began and received, for the honest node.
  private(set) var honestBytes: UInt64 = 0
  private var downloads: [DownloadID: State] = [:]
  private var manifestsHere: Set<ContentHash> = []
  private var running: Set<FetchID> = []
  private var streams: [DownloadID: [NodeID: [FetchID]]] = [:]
  private var away: Set<NodeID> = []
  private var wakeNumber = 0
  private let topic: Topic

  private struct State {
    let plan: DownloadPlan
    var isRight = true
    /// Pieces whose first bytes are wrong.
    var spoiled: Set<UInt64> = []
  }

  init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed &* 7_919 &+ 13)
    var draw = random
    func fixed<Value: FixedBytes>() -> Value {
      guard let value = Value(bytes: draw.bytes(Value.byteCount)) else { preconditionFailure("as many bytes") }
      return value
    }
    hash = fixed()
    manifestHash = fixed()
    topic = fixed()
    size = [0, 1, 900, 1_000, 1_001, 2_000, 4_500, 20_000][draw.number(0...7)]
    let count = Int((size + Self.chunkSize - 1) / Self.chunkSize)
    let hashes: [ContentHash] = (0..<count).map { _ in fixed() }
    manifest = Manifest(size: size, hash: hash, chunkSize: Self.chunkSize, chunkHashes: hashes)
    engine = TransferEngine(manifestThreshold: Self.chunkSize, node: fixed())
    random = draw
  }

  func newNode() -> NodeID {
    guard let node = NodeID(bytes: random.bytes(NodeID.byteCount)) else { preconditionFailure("as many bytes") }
    return node
  }

  /// A manifest with false content.
  func newFalseManifest() -> ContentHash {
    guard let name = ContentHash(bytes: random.bytes(20)) else { preconditionFailure("as many bytes") }
    let count = max(1, manifest.chunkHashes.count)
    let hashes = (0..<count).compactMap { _ in ContentHash(bytes: random.bytes(20)) }
    let claimed = max(size, 1)
    falseManifests[name] = Manifest(size: claimed, hash: hash, chunkSize: Self.chunkSize, chunkHashes: hashes)
    return name
  }

  // MARK: Running

  func load(_ key: FileKey) { input { $0.load(LoadID(number: 1), FileQuery(key: key), at: $1) } }

  /// Runs until the load has ended; returns whether it has.
  func run(for duration: Duration) -> Bool { clock.run(for: duration) { self.isLoaded || self.failure != nil } }

  /// Breaks the node's link, and restores it after a while.
  func lose(_ node: NodeID, for duration: Duration) {
    guard away.insert(node).inserted else { return }
    for (_, byNode) in streams { for fetch in byNode[node] ?? [] { running.remove(fetch) } }
    input { $0.peerLeft(node, at: $1) }
    clock.after(duration) { [self] in
      away.remove(node)
      input { engine, now in
        for question in engine.questions(for: node) where question.node == nil || question.node == node {
          engine.asked(question.id, [AskedPeer(node: node, topic: self.topic)], at: now)
          self.answer(question, self.peers.filter { $0.node == node })
        }
      }
    }
  }

  private func input(_ body: (inout TransferEngine, Instant) -> Void) {
    body(&engine, clock.now)
    while let effect = engine.nextEffect() {
      effectCount += 1
      perform(effect)
    }
    if !engine.keepsItsDeadlines { complaints.append("a deadline is kept that is not what a walk finds") }
    wakeNumber += 1
    guard let due = engine.wakeAt else { return }
    let number = wakeNumber
    clock.after(max(due - clock.now, .zero)) { [self] in
      guard number == wakeNumber else { return }
      input { $0.wake(at: $1) }
    }
  }

  private func perform(_ effect: TransferEffect) {
    switch effect {
    case .ask(let question):
      let asked = peers.filter {
        !away.contains($0.node) && (question.node == nil || question.node == $0.node)
      }
      clock.after(.zero) { [self] in
        input { $0.asked(question.id, asked.map { AskedPeer(node: $0.node, topic: self.topic) }, at: $1) }
        answer(question, asked)
      }
    case .download(.readManifest(let id, _, let name)):
      soon { [self] in
        let found = manifestsHere.contains(name) ? falseManifests[name] ?? manifest : nil
        input { $0.manifestRead(id, found, at: $1) }
      }
    case .download(.prepare(let id, let plan)):
      soon { [self] in
        guard plan.size <= room else {
          return input { $0.storageFailed(id, KacheryError(.diskFull, "There is no room."), at: $1) }
        }
        downloads[id] = State(plan: plan)
        mostDownloads = max(mostDownloads, downloads.count)
        input { $0.prepared(id, at: $1) }
      }
    case .fetch(let fetch, let id): begin(fetch, id)
    case .willFetch: break
    case .download(.abandon(let id, let node)):
      for fetch in streams[id]?.removeValue(forKey: node) ?? [] { running.remove(fetch) }
    case .download(.complete(let id)): soon { [self] in complete(id) }
    case .download(.discard(let id)):
      downloads[id] = nil
      for fetch in (streams.removeValue(forKey: id) ?? [:]).values.joined() { running.remove(fetch) }
    case .misbehaved(let node, _):
      if peers.contains(where: { $0.node == node && $0.isHonest }) { complaints.append("the honest node is penalized") }
    case .client(.progress(_, let loaded, let total, _)):
      if loaded > total { complaints.append("\(loaded) of \(total) bytes") }
    case .client(.loaded): loadedAt = clock.now
    case .failed(_, let failure, _): self.failure = failure
    case .client: break
    }
  }

  private func soon(_ body: @escaping () -> Void) { clock.after(.microseconds(random.number(10...3_000)), body) }

  // MARK: Answers

  private func answer(_ question: Question, _ asked: [Peer]) {
    for peer in asked {
      clock.after(peer.latency) { [self] in
        guard !away.contains(peer.node) else { return }
        let outcome = outcome(question.hash, peer)
        input { $0.answered(question.id, by: peer.node, outcome, at: $1) }
      }
    }
  }

  private func outcome(_ asked: ContentHash, _ peer: Peer) -> FindAnswer.Outcome {
    guard asked != hash else {
      let claimed: UInt64 =
        switch peer.saying {
        case .truth: size
        case .huge: 100_000_000_000_000
        case .impossible: .max
        case .small: 999
        case .almost: size + 1
        }
      return .has(FindAnswer.File(size: claimed, manifest: peer.manifest))
    }
    guard asked == peer.manifest else { return .refuses(.notHere) }
    // A dishonest node claims that its manifest is large and has a manifest too.
    return .has(peer.isHonest ? FindAnswer.File(size: 500) : FindAnswer.File(size: 5_000, manifest: hash))
  }

  // MARK: Bytes

  private func begin(_ fetch: PieceFetch, _ id: DownloadID) {
    guard let peer = peers.first(where: { $0.node == fetch.source.node }), let plan = downloads[id]?.plan else {
      return
    }
    if peer.isHonest { honestAskedAt = honestAskedAt ?? clock.now }
    running.insert(fetch.id)
    streams[id, default: [:]][peer.node, default: []].append(fetch.id)
    if fetch.kept == 0, !fetch.isSpare { downloads[id]?.spoiled.remove(fetch.piece.range.start) }
    // Its author, who made the manifest, can send it.
    let isOwnManifest = falseManifests[plan.hash] != nil
    let giving = isOwnManifest && peer.giving == .wrong ? .right : peer.giving
    clock.after(peer.latency * 2) { [self] in give(fetch, id, peer, giving, fetch.kept) }
  }

  private func give(_ fetch: PieceFetch, _ id: DownloadID, _ peer: Peer, _ giving: Giving, _ received: UInt64) {
    guard running.contains(fetch.id), let state = downloads[id] else { return }
    let count = fetch.piece.range.count
    switch giving {
    case .nothing: return
    case .refuses: return end(fetch.id, .refused(.notHere))
    case .busy: return end(fetch.id, .refused(.limitReached))
    case .waits:
      input { $0.waits(for: fetch.source.hash, at: peer.node, others: 3, at: $1) }
      return clock.after(.seconds(4)) { [self] in give(fetch, id, peer, giving, received) }
    case .right, .wrong, .drips: break
    }
    guard received < count else { return finish(fetch, id, giving, state) }
    let block = giving == .drips ? 1 : min(count - received, UInt64(max(1, peer.rate / 20)))
    let pause: Duration =
      giving == .drips ? .milliseconds(random.number(300...2_000)) : .microseconds(Int(block) * 1_000_000 / peer.rate)
    clock.after(pause) { [self] in
      guard running.contains(fetch.id) else { return }
      if peer.isHonest {
        honestGaveAt = honestGaveAt ?? clock.now
        honestBytes += block
      }
      if giving == .wrong, !fetch.isSpare, block > 0 { downloads[id]?.spoiled.insert(fetch.piece.range.start) }
      input { $0.received(fetch.id, received + block, at: $1) }
      give(fetch, id, peer, giving, received + block)
    }
  }

  private func finish(_ fetch: PieceFetch, _ id: DownloadID, _ giving: Giving, _ state: State) {
    let hasRightBytes =
      giving != .wrong && (fetch.kept == 0 || fetch.isSpare || !state.spoiled.contains(fetch.piece.range.start))
    let isTrue = fetch.piece.hash.map { $0 == trueHash(of: fetch.piece.range, state.plan) } ?? true
    guard fetch.piece.hash == nil || (hasRightBytes && isTrue) else { return end(fetch.id, .hashMismatch) }
    if !hasRightBytes || !isTrue { downloads[id]?.isRight = false }
    end(fetch.id, .verified)
  }

  private func trueHash(of range: ByteRange, _ plan: DownloadPlan) -> ContentHash? {
    guard plan.hash == hash else { return plan.hash == manifestHash && plan.size != 500 ? nil : plan.hash }
    if range == ByteRange(whole: size) { return plan.pieces.count == 1 && plan.manifest == nil ? hash : chunk(range) }
    return chunk(range)
  }

  private func chunk(_ range: ByteRange) -> ContentHash? { manifest.chunks.first { $0.range == range }?.hash }

  private func end(_ fetch: FetchID, _ outcome: FetchOutcome) {
    guard running.remove(fetch) != nil else { return }
    input { $0.fetched(fetch, outcome, at: $1) }
  }

  private func complete(_ id: DownloadID) {
    guard let state = downloads[id] else { return }
    let isManifest = state.plan.hash != hash
    let trueSize = isManifest ? (state.plan.hash == manifestHash ? 500 : 5_000) : size
    let isRight = state.isRight && state.plan.size == trueSize
    if isManifest, isRight { manifestsHere.insert(state.plan.hash) }
    let error = KacheryError(.hashMismatch, "It has another hash.")
    input { $0.completed(id, isRight ? .admitted : .failed(error), at: $1) }
  }
}

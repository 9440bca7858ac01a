import NodeCore
import Primitives
import Transfer
import Wire

/// One client's batch of small files on a simulated node: carries out the effects of a `BatchEngine`, as the daemon
/// does.
final class SimBatch {
  /// How often to check which nodes may be asked.
  private static let refreshPeriod: Duration = .milliseconds(500)
  /// Bytes of the largest file that is sent in a batch.
  static let maximumSize = 4_000

  /// The stream to a node that is asked, over one of its links.
  private struct Stream {
    let topic: Topic
    let link: LinkID
    let number: Int
    var busyUntil: Instant
  }

  let hashes: [ContentHash]
  private(set) var outcomes: [Int: Result<Void, KacheryError>] = [:]
  /// Files that the engine for large files loads.
  private(set) var loads: [Int: LoadID] = [:]
  private var engine = BatchEngine()
  private var streams: [NodeID: Stream] = [:]
  private var lastStream = 0
  private var wakeAt: Instant?
  private var isClosed = false
  private unowned let node: SimNode
  private unowned let network: SimNetwork

  init(_ node: SimNode, _ network: SimNetwork, _ hashes: [ContentHash]) {
    self.node = node
    self.network = network
    self.hashes = hashes
  }

  var isDone: Bool {
    hashes.indices.allSatisfy { index in
      outcomes[index] != nil || loads[index].map { node.outcomes[$0] != nil } ?? false
    }
  }

  func outcome(of index: Int) -> Result<Void, KacheryError>? {
    outcomes[index] ?? loads[index].flatMap { node.outcomes[$0] }
  }

  func start() {
    refresh()
    input { $0.add(hashes.count, at: $1) }
  }

  /// The client no longer waits, or the process has ended.
  func close() {
    isClosed = true
    streams = [:]
  }

  func linkClosed(_ link: LinkID) {
    for peer in streams.filter({ $0.value.link == link }).keys.sorted() { lose(peer) }
  }

  func waits(for peer: NodeID) { input { $0.waits(for: peer, at: $1) } }

  // MARK: The engine

  private func input(_ body: (inout BatchEngine, Instant) -> Void) {
    guard !isClosed else { return }
    body(&engine, network.clock.now)
    while !isClosed, let effect = engine.nextEffect() {
      switch effect {
      case .request(let peer, let files): request(files, of: peer)
      case .close(let peer): streams[peer] = nil
      case .ended(let file, .nowhere): end(file, .failure(KacheryError(.notFound, "no node has it")))
      case .ended(let file, .needsEngine):
        if outcomes[file] != nil { network.complain("a file of a batch of \(node.name) ended twice") }
        loads[file] = node.load(FileKey(hash: hashes[file]))
      }
    }
    scheduleWake()
  }

  private func scheduleWake() {
    guard let due = engine.wakeAt.map({ max($0, network.clock.now + .milliseconds(1)) }),
      wakeAt.map({ due < $0 }) ?? true
    else { return }
    wakeAt = due
    node.after(due - network.clock.now) { [self] _ in
      guard wakeAt == due else { return }
      wakeAt = nil
      refresh()
      input { $0.wake(at: $1) }
    }
  }

  private func end(_ file: Int, _ outcome: Result<Void, KacheryError>) {
    if outcomes.updateValue(outcome, forKey: file) != nil || loads[file] != nil {
      network.complain("a file of a batch of \(node.name) ended twice")
    }
  }

  /// Informs the engine of nodes that were linked, perhaps again, and of nodes that may no longer be asked.
  private func refresh() {
    guard !isClosed else { return }
    let present = node.core.batchSources(node: nil, topic: nil)
    for peer in Set(streams.keys).subtracting(present.map(\.peer.node)).sorted() { lose(peer) }
    for (peer, link) in present where streams[peer.node]?.link != link || streams[peer.node]?.topic != peer.topic {
      lose(peer.node)
      lastStream += 1
      streams[peer.node] = Stream(topic: peer.topic, link: link, number: lastStream, busyUntil: network.clock.now)
      input { $0.linked(peer.node, at: $1) }
    }
  }

  private func lose(_ peer: NodeID) {
    guard streams.removeValue(forKey: peer) != nil else { return }
    input { $0.lost(peer, at: $1) }
  }

  // MARK: Asking

  private func request(_ files: [Int], of peer: NodeID) {
    guard let stream = streams[peer], let link = node.link(stream.link) else { return }
    let server = link.other(node)
    if !node.mayAsk(server.node, over: stream.topic) {
      network.complain("\(node.name) asks \(server.node.name) for small files without permission")
    }
    for file in files {
      link.travel { [self] in serve(file, stream.topic, stream.number, peer, server, link) }
    }
  }

  /// At the other end: sends the files one after the other.
  private func serve(_ file: Int, _ topic: Topic, _ number: Int, _ peer: NodeID, _ server: SimLink.End, _ link: SimLink)
  {
    guard streams[peer]?.number == number, server.node.conduct != .silent else { return }
    let start = max(network.clock.now, streams[peer]?.busyUntil ?? network.clock.now)
    let ready = start + server.node.blockTime
    streams[peer]?.busyUntil = ready
    server.node.after(ready - network.clock.now) { [self] other in
      guard link.isUp else { return }
      let reply = answer(hashes[file], topic, other, server.id)
      if case .success = reply, !other.permits(node, over: topic) {
        network.complain("\(other.name) sends a small file to \(node.name), which has no permission")
      }
      link.travel { [self] in
        if streams[peer]?.number == number, !isClosed { take(file, reply, from: peer) }
      }
    }
  }

  private func answer(
    _ hash: ContentHash, _ topic: Topic, _ server: SimNode, _ link: LinkID
  ) -> Result<[UInt8], RefusedFile> {
    guard server.core.mayServe(link, over: topic) else { return .failure(RefusedFile(reason: .notAuthorized)) }
    if server.conduct == .refuses { return .failure(RefusedFile(reason: server.refusal)) }
    guard server.conduct != .boasts, var bytes = server.store.files[hash] else {
      return .failure(RefusedFile(reason: .notHere))
    }
    guard bytes.count <= Self.maximumSize else { return .failure(RefusedFile(reason: .tooLarge)) }
    if server.conduct == .corrupts, !bytes.isEmpty { bytes[network.random.number(0...bytes.count - 1)] ^= 1 }
    return .success(bytes)
  }

  private func take(_ file: Int, _ reply: Result<[UInt8], RefusedFile>, from peer: NodeID) {
    switch reply {
    case .failure(let refused) where refused.reason == .tooLarge:
      input { _ = $0.answered(file, by: peer, .tooLarge, at: $1) }
    case .failure(let refused) where refused.reason == .limitReached: input { $0.busy(peer, at: $1) }
    case .failure: input { _ = $0.answered(file, by: peer, .hasNot, at: $1) }
    case .success(let bytes):
      var isWanted = false
      input { isWanted = $0.received(file, from: peer, at: $1) }
      guard isWanted else { return }
      node.soon { [self] _ in admit(file, bytes, from: peer) }
    }
  }

  private func admit(_ file: Int, _ bytes: [UInt8], from peer: NodeID) {
    guard !isClosed else { return }
    let isRight = ContentHash.of(bytes) == hashes[file]
    if isRight { node.store.store(bytes) } else { node.input { $0.misbehaved(peer, self.hashes[file], at: $1) } }
    var settles = false
    input { settles = $0.answered(file, by: peer, isRight ? .gave : .misbehaved, at: $1) }
    if settles, isRight { end(file, .success(())) }
  }
}

/// Why a node does not send a small file.
struct RefusedFile: Error {
  let reason: Refusal
}

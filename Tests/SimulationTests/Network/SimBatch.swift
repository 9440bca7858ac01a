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

  /// A stream to a node, over one of its links.
  private final class Stream {
    let topic: Topic
    let link: LinkID
    var busyUntil: Instant
    /// Files that were requested and are not answered.
    var expected: Set<Int> = []

    init(_ topic: Topic, _ link: LinkID, at now: Instant) {
      self.topic = topic
      self.link = link
      busyUntil = now
    }
  }

  let hashes: [ContentHash]
  private(set) var outcomes: [Int: Result<Void, KacheryError>] = [:]
  /// Files that the engine for large files loads.
  private(set) var loads: [Int: LoadID] = [:]
  private var engine = BatchEngine()
  /// The streams on which nodes are asked.
  private var streams: [NodeID: Stream] = [:]
  /// Streams on links that are not preferred any more, with unanswered requests.
  private var older: [NodeID: [Stream]] = [:]
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
    older = [:]
  }

  /// Nothing more comes over this link: what it has not answered is requested over another one.
  func linkClosed(_ link: LinkID) {
    for peer in Set(streams.keys).union(older.keys).sorted() {
      for stream in (older[peer] ?? []) + [streams[peer]].compactMap({ $0 })
      where stream.link == link {
        let missing = stream.expected.sorted()
        stream.expected = []
        older[peer]?.removeAll { $0 === stream }
        // The core may only now learn of it.
        node.after(.zero) { [self] _ in askAgain(missing, peer, insteadOf: stream) }
      }
    }
  }

  private func askAgain(_ files: [Int], _ peer: NodeID, insteadOf stream: Stream) {
    refresh()
    guard let current = streams[peer], current !== stream else { return lose(peer) }
    request(files, of: peer)
  }

  /// Another link of the node is preferred.
  func moved(to link: LinkID, of peer: NodeID) {
    if streams[peer].map({ $0.link != link }) ?? false { refresh() }
  }

  /// Whether something is requested over this link.
  func uses(_ link: LinkID) -> Bool {
    let all = Array(streams.values) + older.values.flatMap { $0 }
    return !isClosed && all.contains { $0.link == link && !$0.expected.isEmpty }
  }

  func waits(for peer: NodeID) { input { $0.waits(for: peer, at: $1) } }

  // MARK: The engine

  private func input(_ body: (inout BatchEngine, Instant) -> Void) {
    guard !isClosed else { return }
    body(&engine, network.clock.now)
    while !isClosed, let effect = engine.nextEffect() {
      switch effect {
      case .request(let peer, let files): request(files, of: peer)
      case .close(let peer):
        streams[peer] = nil
        older[peer] = nil
      case .ended(let file, .nowhere):
        end(file, .failure(KacheryError(.notFound, "no node has it")))
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
    for (peer, link) in present
    where streams[peer.node]?.link != link || streams[peer.node]?.topic != peer.topic {
      if let old = streams[peer.node], old.topic == peer.topic, node.link(old.link)?.isUp == true {
        // Requests on the old link are answered there.
        older[peer.node, default: []].append(old)
        streams[peer.node] = Stream(peer.topic, link, at: network.clock.now)
        continue
      }
      if let old = streams[peer.node], old.topic == peer.topic {
        let missing = old.expected.sorted()
        streams[peer.node] = Stream(peer.topic, link, at: network.clock.now)
        request(missing, of: peer.node)
        continue
      }
      lose(peer.node)
      streams[peer.node] = Stream(peer.topic, link, at: network.clock.now)
      input { $0.linked(peer.node, at: $1) }
    }
  }

  private func lose(_ peer: NodeID) {
    older[peer] = nil
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
      stream.expected.insert(file)
      link.travel { [self] in serve(file, stream, peer, server, link) }
    }
  }

  /// Whether the node has yet to answer for the file on this stream.
  private func expects(_ file: Int, _ stream: Stream, _ peer: NodeID) -> Bool {
    guard !isClosed, stream.expected.contains(file) else { return false }
    return streams[peer] === stream || older[peer]?.contains { $0 === stream } ?? false
  }

  /// At the other end: sends the files one after the other.
  private func serve(
    _ file: Int, _ stream: Stream, _ peer: NodeID, _ server: SimLink.End, _ link: SimLink
  ) {
    guard expects(file, stream, peer), server.node.conduct != .silent else { return }
    let ready = max(network.clock.now, stream.busyUntil) + server.node.blockTime
    stream.busyUntil = ready
    server.node.after(ready - network.clock.now) { [self] other in
      guard link.isUp else { return }
      let reply = answer(hashes[file], node.core.proof(of: stream.topic, on: link.end(of: node).id), other, server.id)
      if case .success = reply, !other.permits(node, over: stream.topic) {
        network.complain(
          "\(other.name) sends a small file to \(node.name), which has no permission")
      }
      link.travel { [self] in
        guard expects(file, stream, peer) else { return }
        stream.expected.remove(file)
        if stream.expected.isEmpty { older[peer]?.removeAll { $0 === stream } }
        take(file, reply, from: peer)
      }
    }
  }

  private func answer(
    _ hash: ContentHash, _ channel: ChannelProof?, _ server: SimNode, _ link: LinkID
  ) -> Result<[UInt8], RefusedFile> {
    guard let channel, server.core.mayServe(link, over: channel) else {
      return .failure(RefusedFile(reason: .notAuthorized))
    }
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

import ContentStore
import EventLoop
import Links
import NodeCore
import Primitives
import Transfer
import Wire

/// A node that small files are asked of.
struct BatchSource {
  let node: NodeID
  let topic: Topic
  /// The node's link: another one means that the first was lost.
  let link: LinkID
  /// Opens a stream to it.
  let open: () -> any ByteStream
}

/// Brings many small files here from several nodes: the carrier of what a `BatchEngine` decides. Bound to the loop.
final class BatchDownload {
  /// How often to check for nodes that have appeared, or may no longer be asked.
  private static let refreshPeriod: Duration = .milliseconds(500)

  /// What has happened.
  enum Event {
    /// This many bytes of a file have arrived, verified or not.
    case received(Int)
    /// A node does not give the file with this hash.
    case refused(NodeID, ContentHash, Refusal)
    /// A node gave wrong bytes for this hash.
    case misbehaved(NodeID, ContentHash)
    /// The file with this index, of this many bytes, has loaded or failed.
    case ended(Int, Outcome, bytes: Int)
  }

  /// The outcome for a file.
  enum Outcome {
    case stored(path: String)
    case failed(KacheryError)
    case missing(BatchEngine.Failure)
  }

  var onEvent: ((Event) -> Void)?
  private let sources: () -> [BatchSource]
  private let loop: EventLoop
  private let limiter: RateLimiter
  private let admission: BatchAdmission
  private var engine = BatchEngine()
  /// Files, with the indices that their owner has for them.
  private var files: [(index: Int, hash: ContentHash)] = []
  private var clients: [NodeID: BatchClient] = [:]
  /// The link over which each node was asked last.
  private var links: [NodeID: LinkID] = [:]
  private var refreshedAt: Instant?
  private var wake: (timer: Timer, dueAt: Instant)?
  private var isClosed = false

  /// - Parameter sources: the nodes that may be asked now.
  init(store: ContentStore, loop: EventLoop, limiter: RateLimiter, sources: @escaping () -> [BatchSource]) {
    self.sources = sources
    self.loop = loop
    self.limiter = limiter
    admission = BatchAdmission(store: store, loop: loop)
    admission.onAdmitted = { [weak self] group in
      for (file, outcome) in group { self?.admitted(file, outcome) }
    }
  }

  /// Adds files to the download; `onEvent` reports them by these indices.
  func add(_ more: [(index: Int, hash: ContentHash)]) {
    guard !isClosed else { return }
    if refreshedAt == nil { refresh() }
    files += more
    input { $0.add(more.count, at: $1) }
  }

  /// The node serves others first.
  func waits(for node: NodeID) { input { $0.waits(for: node, at: $1) } }

  /// Lets go of everything. Idempotent.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    wake?.timer.cancel()
    for client in clients.values { client.close() }
    clients = [:]
    links = [:]
    admission.close()
    onEvent = nil
  }

  // MARK: The engine

  private func input(_ body: (inout BatchEngine, Instant) -> Void) {
    guard !isClosed else { return }
    body(&engine, loop.now)
    while let effect = engine.nextEffect() {
      switch effect {
      case .request(let node, let wanted): clients[node]?.request(wanted.map { ($0, files[$0].hash) })
      case .close(let node): clients.removeValue(forKey: node)?.close()
      case .ended(let file, let failure): onEvent?(.ended(files[file].index, .missing(failure), bytes: 0))
      }
    }
    scheduleWake()
  }

  /// Wakes the engine right after an input: once for all inputs of a loop turn.
  private func scheduleWake() {
    guard !isClosed, let dueAt = engine.wakeAt, wake.map({ dueAt < $0.dueAt }) ?? true else { return }
    wake?.timer.cancel()
    let timer = loop.after(dueAt - loop.now) {
      self.wake = nil
      if self.refreshedAt.map({ self.loop.now - $0 >= Self.refreshPeriod }) ?? true { self.refresh() }
      self.input { $0.wake(at: $1) }
    }
    wake = (timer, dueAt)
  }

  /// Reports to the engine which nodes have been linked, perhaps again, and which may no longer be asked.
  private func refresh() {
    guard !isClosed else { return }
    refreshedAt = loop.now
    let present = sources()
    for node in Set(links.keys).subtracting(present.map(\.node)).sorted() {
      links[node] = nil
      lost(node)
    }
    for source in present where links[source.node] != source.link {
      lost(source.node)
      links[source.node] = source.link
      clients[source.node] = client(source)
      input { $0.linked(source.node, at: $1) }
    }
  }

  private func client(_ source: BatchSource) -> BatchClient {
    let node = source.node
    let client = BatchClient(source.open(), topic: source.topic, limiter: limiter)
    client.onReply = { [weak self] index, reply in self?.receive(index, reply, from: node) }
    client.onBytes = { [weak self] in self?.input { $0.heard(node, at: $1) } }
    client.onEnd = { [weak self] in self?.lost(node) }
    return client
  }

  private func lost(_ node: NodeID) {
    guard let client = clients.removeValue(forKey: node) else { return }
    client.close()
    input { $0.lost(node, at: $1) }
  }

  // MARK: Receiving

  private func receive(_ index: Int, _ reply: BatchClient.Reply, from node: NodeID) {
    let hash = files[index].hash
    switch reply {
    case .bytes(let bytes):
      onEvent?(.received(bytes.count))
      var isWanted = false
      input { isWanted = $0.received(index, from: node, at: $1) }
      guard isWanted else { return clients[node]?.consumed(bytes.count) ?? () }
      admission.take(ArrivedFile(index: index, node: node, file: SmallFile(hash: hash, bytes: bytes)))
    case .refused(.tooLarge): input { _ = $0.answered(index, by: node, .tooLarge, at: $1) }
    case .refused(let refusal):
      onEvent?(.refused(node, hash, refusal))
      input { engine, now in
        if refusal == .limitReached {
          engine.busy(node, at: now)
        } else {
          _ = engine.answered(index, by: node, .hasNot, at: now)
        }
      }
    }
  }

  private func admitted(_ arrived: ArrivedFile, _ outcome: Result<String, KacheryError>) {
    guard !isClosed else { return }
    let count = arrived.file.bytes.count
    clients[arrived.node]?.consumed(count)
    var isWrong = false
    if case .failure(let error) = outcome { isWrong = error.code == .hashMismatch }
    if isWrong { onEvent?(.misbehaved(arrived.node, arrived.file.hash)) }
    var settles = false
    input { settles = $0.answered(arrived.index, by: arrived.node, isWrong ? .misbehaved : .gave, at: $1) }
    guard settles, !isWrong else { return }
    let index = files[arrived.index].index
    switch outcome {
    case .success(let path): onEvent?(.ended(index, .stored(path: path), bytes: count))
    case .failure(let error): onEvent?(.ended(index, .failed(error), bytes: 0))
    }
  }
}

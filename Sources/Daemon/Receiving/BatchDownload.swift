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
  /// What stands for the channel on the link.
  let channel: ChannelProof
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
  /// Whether what was requested over a link that is not used anymore may still come.
  private let isCarrying: (LinkID) -> Bool
  private let loop: EventLoop
  private let limiter: RateLimiter
  private let admission: BatchAdmission
  private var engine = BatchEngine()
  /// Files, with the indices that their owner has for them.
  private var files: [(index: Int, hash: ContentHash)] = []
  /// The streams on which nodes are asked.
  private var streams = BatchStreams()
  private var refreshedAt: Instant?
  private var wake: (timer: Timer, dueAt: Instant)?
  private var isClosed = false

  /// - Parameters:
  ///   - isCarrying: whether what was requested over a link may still come.
  ///   - sources: the nodes that may be asked now.
  init(
    store: ContentStore, loop: EventLoop, limiter: RateLimiter,
    isCarrying: @escaping (LinkID) -> Bool = { _ in false },
    sources: @escaping () -> [BatchSource]
  ) {
    self.sources = sources
    self.isCarrying = isCarrying
    self.loop = loop
    self.limiter = limiter
    admission = BatchAdmission(store: store, loop: loop)
    admission.onAdmitted = { [weak self] group in
      for (file, outcome) in group { self?.admitted(file, outcome) }
    }
  }

  /// The nodes that are asked now.
  var nodes: [NodeID] { streams.nodes }

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
    streams.closeAll()
    admission.close()
    onEvent = nil
  }

  // MARK: The engine

  private func input(_ body: (inout BatchEngine, Instant) -> Void) {
    guard !isClosed else { return }
    body(&engine, loop.now)
    while let effect = engine.nextEffect() {
      switch effect {
      case .request(let node, let wanted): request(wanted, of: node)
      case .close(let node): _ = streams.close(node)
      case .ended(let file, let failure):
        onEvent?(.ended(files[file].index, .missing(failure), bytes: 0))
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

  private func request(_ wanted: [Int], of node: NodeID) {
    streams.current(node)?.client.request(wanted.map { ($0, files[$0].hash) })
  }

  /// Reports to the engine which nodes have been linked, perhaps again, and which may no longer be asked.
  private func refresh() {
    guard !isClosed else { return }
    refreshedAt = loop.now
    let present = sources()
    for node in Set(streams.links.keys).subtracting(present.map(\.node)).sorted() {
      streams.links[node] = nil
      lost(node)
    }
    for source in present where streams.links[source.node] != source.link { use(source) }
    for stream in streams.older where !isCarrying(stream.link) { askAgain(insteadOf: stream) }
  }

  /// Asks a node over this link from now on. What was requested over another one is still answered there, or requested
  /// again if that one carries nothing more.
  private func use(_ source: BatchSource) {
    streams.links[source.node] = source.link
    let old = streams.current(source.node)
    open(source)
    guard let old else { return input { $0.linked(source.node, at: $1) } }
    if !isCarrying(old.link) { askAgain(insteadOf: old) } else { streams.closeIfDone(old) }
  }

  private func open(_ source: BatchSource) {
    let client = BatchClient(source.open(), channel: source.channel, limiter: limiter)
    let stream = streams.add(client, to: source.node, over: source.link)
    client.onReply = { [weak self] index, reply in self?.receive(index, reply, on: stream) }
    client.onBytes = { [weak self] in self?.input { $0.heard(stream.node, at: $1) } }
    client.onEnd = { [weak self] isLost in self?.ended(stream, isLost: isLost) }
  }

  /// Requests over the link that is used now what this stream has not delivered.
  private func askAgain(insteadOf stream: BatchStreams.Stream) {
    streams.remove(stream)
    stream.client.close()
    request(stream.client.unanswered, of: stream.node)
  }

  private func ended(_ stream: BatchStreams.Stream, isLost: Bool) {
    // A node that breaks its links before it answers is not asked again and again without the engine's counting it.
    guard isLost, stream.client.hasArrived || !streams.isCurrent(stream) else {
      return lost(stream.node)
    }
    // In the next turn: it is then known whether the node has another link.
    _ = loop.after(.zero) { [weak self] in self?.replace(stream) }
  }

  private func replace(_ stream: BatchStreams.Stream) {
    refresh()
    guard !isClosed, streams.contains(stream) else { return }
    if streams.isCurrent(stream) {
      guard let source = sources().first(where: { $0.node == stream.node }) else {
        return lost(stream.node)
      }
      open(source)
    }
    askAgain(insteadOf: stream)
  }

  private func lost(_ node: NodeID) { if streams.close(node) { input { $0.lost(node, at: $1) } } }

  // MARK: Receiving

  private func receive(_ index: Int, _ reply: BatchClient.Reply, on stream: BatchStreams.Stream) {
    let (hash, node) = (files[index].hash, stream.node)
    defer { streams.closeIfDone(stream) }
    switch reply {
    case .bytes(let bytes):
      onEvent?(.received(bytes.count))
      var isWanted = false
      input { isWanted = $0.received(index, from: node, at: $1) }
      guard isWanted else { return stream.client.consumed(bytes.count) }
      admission.take(
        ArrivedFile(
          index: index, node: node, stream: stream.number, file: SmallFile(hash: hash, bytes: bytes)
        ))
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
    streams.with(arrived.stream)?.client.consumed(count)
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

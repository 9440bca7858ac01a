import ContentStore
import EventLoop
import Files
import Links
import Primitives
import Transfer
import Wire

/// A node that small files are asked of.
struct BatchSource {
  let node: NodeID
  let topic: Topic
  let link: Link
}

/// Brings many small files here from several nodes at once. Bound to the loop.
final class BatchTransfer {
  /// Files asked for in one request.
  private static let requestFiles = 1_024
  /// Files admitted in one go, unless their bytes are too many before: they wait for the disk together, all of them open.
  private static let groupFiles = min(256, max(1, FileSystem.raiseDescriptorLimit() / 8))
  private static let groupBytes = 4 << 20
  /// Groups that the pool works on, or has wait for the disk, at once: one of its four threads stays free for others.
  private static let maximumGroups = 3
  /// How long a node may say nothing.
  private static let silence: Duration = .seconds(20)
  /// How long a node may say that it serves others first.
  private static let longestWait: Duration = .seconds(1_800)

  /// What became of the file with this index, and how many bytes it has.
  var onOutcome: ((Int, Outcome, _ bytes: Int) -> Void)?
  /// So many bytes of a file have come, right or wrong.
  var onReceived: ((Int) -> Void)?
  /// A node does not give the file with this hash.
  var onRefusal: ((NodeID, ContentHash, Refusal) -> Void)?
  /// A node gave wrong bytes for this hash.
  var onLie: ((NodeID, ContentHash) -> Void)?

  /// What became of a file.
  enum Outcome {
    case stored(path: String)
    case failed(KacheryError)
    /// Nobody has it; so many were asked.
    case nowhere(asked: Int)
    /// It is too large for a batch, or not everybody could be asked: the engine has to look for it.
    case needsEngine
  }

  private struct Arrived {
    let index: Int
    let node: NodeID
    let file: SmallFile
  }

  /// Files, with the indices that their owner has for them.
  private var files: [(index: Int, hash: ContentHash)] = []
  private let store: ContentStore
  private let loop: EventLoop
  private var search: BatchSearch
  private let askedCount: Int
  /// Whether somebody who may have a file was not asked, or was lost before saying so.
  private var isIncomplete: Bool
  private var fetchers: [NodeID: BatchFetcher] = [:]
  private var heardAt: [NodeID: Instant] = [:]
  /// When each node last gave something, or was asked after having given everything.
  private var gaveAt: [NodeID: Instant] = [:]
  private var arrived: [Arrived] = []
  private var arrivedBytes = 0
  private var groups = 0
  private var timer: Timer?
  private var isAdvancing = false
  private var isClosed = false

  /// - Parameter window: bytes that each node may send ahead of what has been put to the disk.
  init(from sources: [BatchSource], store: ContentStore, loop: EventLoop, pacer: Pacer, window: Int) {
    self.store = store
    self.loop = loop
    isIncomplete = sources.count > BatchSearch.maximumNodes
    let sources = sources.prefix(BatchSearch.maximumNodes)
    askedCount = sources.count
    search = BatchSearch(nodes: sources.map(\.node))
    for source in sources {
      let fetcher = BatchFetcher(link: source.link, topic: source.topic, pacer: pacer, window: window)
      fetcher.onReply = { [weak self] index, reply in self?.receive(index, reply, from: source.node) }
      fetcher.onBytes = { [weak self] in self?.heard(source.node) }
      fetcher.onEnd = { [weak self] in self?.lost(source.node) }
      fetchers[source.node] = fetcher
    }
  }

  /// Begins to ask for these files as well; `onOutcome` tells of them by these indices.
  func add(_ more: [(index: Int, hash: ContentHash)]) {
    guard !isClosed else { return }
    if timer == nil { timer = loop.after(.seconds(5), repeating: .seconds(5)) { self.giveUpSilent() } }
    files += more
    search.add(more.count)
    advanceSoon()
  }

  /// Lets go of everything. May be called again.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    timer?.cancel()
    for fetcher in fetchers.values { fetcher.close() }
    fetchers = [:]
    onOutcome = nil
    onReceived = nil
    onLie = nil
    onRefusal = nil
  }

  // MARK: Asking

  /// Goes on asking once everything that has come in this turn of the loop has been looked at.
  private func advanceSoon() {
    guard !isAdvancing, !isClosed else { return }
    isAdvancing = true
    _ = loop.after(.zero) {
      self.isAdvancing = false
      if !self.isClosed { self.advance() }
    }
  }

  private func advance() {
    for (node, fetcher) in fetchers.sorted(by: { $0.key < $1.key }) {
      // In large steps: a request for every answer would cost more than the answer.
      guard search.outstanding(of: node) <= Self.requestFiles else { continue }
      let asked = search.next(for: node, atMost: Self.requestFiles)
      guard !asked.isEmpty else { continue }
      heardAt[node] = loop.now
      if search.outstanding(of: node) == asked.count { gaveAt[node] = loop.now }
      fetcher.request(asked.map { ($0, files[$0].hash) })
    }
    for (file, outcome) in search.takeOutcomes() {
      switch outcome {
      case .arrived: break
      case .nowhere: onOutcome?(files[file].index, isIncomplete ? .needsEngine : .nowhere(asked: askedCount), 0)
      case .large: onOutcome?(files[file].index, .needsEngine, 0)
      }
    }
  }

  private func lost(_ node: NodeID) {
    isIncomplete = true
    fetchers.removeValue(forKey: node)?.close()
    heardAt[node] = nil
    gaveAt[node] = nil
    search.lost(node)
    advanceSoon()
  }

  private func heard(_ node: NodeID) {
    heardAt[node] = loop.now
    gaveAt[node] = loop.now
  }

  /// The node serves others first.
  func waits(for node: NodeID) {
    guard let gave = gaveAt[node], loop.now - gave < Self.longestWait else { return }
    heardAt[node] = loop.now
  }

  private func giveUpSilent() {
    for (node, heard) in heardAt.sorted(by: { $0.key < $1.key })
    where search.outstanding(of: node) > 0 && loop.now - heard > Self.silence {
      lost(node)
    }
  }

  // MARK: Receiving

  private func receive(_ index: Int, _ reply: BatchFetcher.Reply, from node: NodeID) {
    switch reply {
    case .bytes(let bytes):
      search.received(index, from: node)
      onReceived?(bytes.count)
      arrived.append(Arrived(index: index, node: node, file: SmallFile(hash: files[index].hash, bytes: bytes)))
      arrivedBytes += bytes.count
      return keep()
    case .refused(.tooLarge): search.answered(index, by: node, .tooLarge)
    case .refused(.limitReached):
      // The engine waits for such a node; others may have the files meanwhile.
      onRefusal?(node, files[index].hash, .limitReached)
      return lost(node)
    case .refused(let refusal):
      onRefusal?(node, files[index].hash, refusal)
      search.answered(index, by: node, .hasNot)
    }
    advanceSoon()
  }

  /// Has the pool admit what has come: a full group, or whatever there is where it has nothing else to do.
  private func keep() {
    while !arrived.isEmpty, groups < Self.maximumGroups {
      let isFull = arrived.count >= Self.groupFiles || arrivedBytes >= Self.groupBytes
      guard isFull || groups == 0 else { return }
      let group = arrived.prefix(Self.groupFiles)
      arrived.removeFirst(group.count)
      arrivedBytes -= group.reduce(0) { $0 + $1.file.bytes.count }
      admit(Array(group))
    }
  }

  private func admit(_ group: [Arrived]) {
    groups += 1
    loop.work({ [store] in store.admit(group.map(\.file)) }) { outcomes in
      self.groups -= 1
      guard !self.isClosed else { return }
      for (item, outcome) in zip(group, outcomes) { self.admitted(item, outcome) }
      self.advanceSoon()
      self.keep()
    }
  }

  private func admitted(_ item: Arrived, _ outcome: Result<String, KacheryError>) {
    let count = item.file.bytes.count
    fetchers[item.node]?.consumed(count)
    switch outcome {
    case .success(let path):
      guard search.answered(item.index, by: item.node, .gave) else { return }
      onOutcome?(files[item.index].index, .stored(path: path), count)
    case .failure(let error) where error.code == .hashMismatch:
      onLie?(item.node, item.file.hash)
      search.answered(item.index, by: item.node, .lied)
      lost(item.node)
    case .failure(let error):
      guard search.answered(item.index, by: item.node, .gave) else { return }
      onOutcome?(files[item.index].index, .failed(error), 0)
    }
  }
}

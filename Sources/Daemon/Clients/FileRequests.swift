import APIModel
import ContentStore
import EventLoop
import NodeCore
import Primitives
import Transfer

/// Callbacks that report a load to its client. They run on the loop; `end` is called once, last.
struct LoadObserver {
  /// Progress: bytes loaded, total bytes, and the sending node.
  let progress: (_ loaded: UInt64, _ total: UInt64, NodeID?) -> Void
  /// Nothing arrives because a node serves others first; nil if the client does not want to know.
  var waits: ((BusyNode) -> Void)?
  /// The path of the file, or why it cannot be loaded.
  let end: (Result<String, KacheryError>) -> Void
}

/// Clients waiting for a file, or for the nodes that have it. Bound to the loop.
final class FileRequests {
  /// The minimum interval between progress messages.
  private static let progressPeriod: Duration = .milliseconds(100)
  /// The minimum interval between messages that the load is waiting.
  private static let waitPeriod: Duration = .seconds(1)

  private struct Load {
    let hash: ContentHash
    let manifest: ContentHash?
    let name: String?
    /// Whether it is one of many files of a client's request.
    let isPart: Bool
    let observer: LoadObserver
    let begunAt: Instant
    var progress = LoadProgress()
    var reportedAt: Instant?
    /// The bytes that were last reported.
    var reported: UInt64?
    var waitReportedAt: Instant?
  }

  private struct Find {
    let key: FileKey
    let found: (FoundFile) -> Void
    let end: () -> Void
  }

  /// The topic of the channel that a client names.
  var topic: (String) throws(KacheryError) -> Topic = { name throws(KacheryError) in
    throw KacheryError(.notFound, "This node has not joined the channel '\(name)'.")
  }

  private let store: ContentStore
  private let driver: CoreDriver
  private let loop: EventLoop
  private let metrics: NodeMetrics
  private let node: NodeID
  private var loads: [LoadID: Load] = [:]
  private var finds: [FindID: Find] = [:]
  private var lastNumber: UInt64 = 0

  init(_ store: ContentStore, driver: CoreDriver, loop: EventLoop, metrics: NodeMetrics, node: NodeID) {
    self.store = store
    self.driver = driver
    self.loop = loop
    self.metrics = metrics
    self.node = node
  }

  /// The core's query for a client's request.
  ///
  /// - Parameter channel: the channel that the client names, or nil for any.
  /// - Throws: `notFound` if this node has not joined the channel.
  func query(
    _ key: FileKey, node: NodeID? = nil, channel: String? = nil, wantsManifest: Bool = false
  ) throws(KacheryError) -> FileQuery {
    FileQuery(
      key: key, node: node, topic: try channel.map { name throws(KacheryError) in try topic(name) },
      wantsManifest: wantsManifest)
  }

  func perform(_ effect: ClientEffect) {
    switch effect {
    case .found(let id, let source): found(id, source)
    case .findEnded(let id): finds.removeValue(forKey: id)?.end()
    case .progress(let id, let loaded, let total, let node): progress(id, loaded, total, node)
    case .waits(let id, let node, let others): waits(id, BusyNode(node, others: others))
    case .loaded(let id): loaded(id)
    }
  }

  /// Ends every load and search.
  func stop() {
    for load in loads.values { load.observer.end(.failure(KacheryError(.cancelled, "The node is stopping."))) }
    for find in finds.values { find.end() }
    (loads, finds) = ([:], [:])
  }

  // MARK: Loading

  /// Loads a file unless it is here. `observer` is not called before this returns.
  func load(_ request: LoadRequest, _ observer: LoadObserver) -> LoadID {
    let id = begin(request, isPart: false) { _ in observer }
    loop.work { [store] in
      Result { () throws(KacheryError) in try store.find(request.key.hash) }
    } then: { [self] result in
      switch result {
      case .success(let file?): end(id, .success(file.path))
      case .success(nil): askCore(id, request)
      case .failure(let error): end(id, .failure(error))
      }
    }
    return id
  }

  /// Loads a file that the caller has found missing. The observer may be called before this returns.
  func loadMissing(_ request: LoadRequest, _ observer: (LoadID) -> LoadObserver) {
    askCore(begin(request, isPart: true, observer), request)
  }

  private func begin(_ request: LoadRequest, isPart: Bool, _ observer: (LoadID) -> LoadObserver) -> LoadID {
    lastNumber += 1
    let id = LoadID(number: lastNumber)
    loads[id] = Load(
      hash: request.key.hash, manifest: request.key.manifest, name: request.name, isPart: isPart,
      observer: observer(id), begunAt: loop.now)
    return id
  }

  private func askCore(_ id: LoadID, _ request: LoadRequest) {
    guard loads[id] != nil else { return }
    loads[id]?.progress.isUnderway = true
    do throws(KacheryError) {
      let query = try query(request.key, node: request.node, channel: request.channel)
      driver.transfer { $0.load(id, query, at: $1) }
    } catch {
      end(id, .failure(error))
    }
  }

  /// Cancels a load. Its observer is not called again.
  func cancel(_ id: LoadID) {
    guard loads.removeValue(forKey: id) != nil else { return }
    driver.transfer { engine, _ in engine.cancel(id) }
  }

  /// Fails a load that the core has given up.
  func failed(_ id: LoadID, _ error: KacheryError) {
    guard loads[id] != nil else { return }
    metrics.loadsFailed.add()
    end(id, .failure(error))
  }

  private func loaded(_ id: LoadID) {
    guard let load = loads[id] else { return }
    metrics.loadsFinished.add()
    metrics.loadSeconds.add(loop.now - load.begunAt)
    let (hash, manifest) = (load.hash, load.manifest)
    // Peers may ask for the manifest without knowing that the file has one.
    loop.work { [store] in
      if let file = try? store.find(hash) { store.noteManifest(manifest, of: hash, size: file.size) }
    } then: {
    }
    end(id, .success(store.path(of: hash)))
  }

  private func end(_ id: LoadID, _ outcome: Result<String, KacheryError>) {
    loads.removeValue(forKey: id)?.observer.end(outcome)
  }

  private func progress(_ id: LoadID, _ loaded: UInt64, _ total: UInt64, _ node: NodeID?) {
    loads[id]?.progress.note(loaded, of: total, from: node, at: loop.now)
    guard let load = loads[id] else { return }
    let isDue = load.reportedAt.map { loop.now - $0 >= Self.progressPeriod } ?? true
    let isLast = loaded == total && load.reported != total
    guard isDue && load.reported != loaded || isLast else { return }
    loads[id]?.reportedAt = loop.now
    loads[id]?.reported = loaded
    load.observer.progress(loaded, total, node)
  }

  private func waits(_ id: LoadID, _ busy: BusyNode) {
    loads[id]?.progress.note(waitingFor: busy.node)
    guard let load = loads[id], let report = load.observer.waits,
      load.waitReportedAt.map({ loop.now - $0 >= Self.waitPeriod }) ?? true
    else { return }
    loads[id]?.waitReportedAt = loop.now
    report(busy)
  }

  /// The loads that the core works on for one client each, the oldest first. Files that are here already need no work.
  var transfers: [TransferState] {
    loads.filter { $0.value.progress.isUnderway && !$0.value.isPart }.sorted { $0.key.number < $1.key.number }.map {
      id, load in
      var state = TransferState(.load, number: String(id.number))
      (state.hash, state.name) = (load.hash, load.name)
      (state.bytes, state.bytesTotal) = (load.progress.loaded, load.progress.total)
      (state.nodes, state.waitsFor) = (load.progress.sources(at: loop.now), load.progress.waitsFor)
      return state
    }
  }

  /// The nodes that have sent the latest bytes of a load.
  func sources(of id: LoadID) -> [NodeID] { loads[id]?.progress.sources(at: loop.now) ?? [] }

  // MARK: Finding

  /// Searches for nodes that have a file, this one first, for at most this long. The closures are called on the loop.
  func find(
    _ query: FileQuery, for time: Duration, found: @escaping (FoundFile) -> Void, end: @escaping () -> Void
  ) -> FindID {
    lastNumber += 1
    let id = FindID(number: lastNumber)
    finds[id] = Find(key: query.key, found: found, end: end)
    loop.work { [store] in
      (try? store.find(query.key.hash)) ?? nil
    } then: { [self] local in
      guard finds[id] != nil else { return }
      if let file = local { found(FoundFile(node: node, key: query.key, size: file.size)) }
      driver.transfer { $0.find(id, query, for: time, at: $1) }
    }
    return id
  }

  /// Cancels a search.
  func cancel(_ id: FindID) {
    guard finds.removeValue(forKey: id) != nil else { return }
    driver.transfer { engine, _ in engine.stopFind(id) }
  }

  private func found(_ id: FindID, _ source: Source) {
    guard let find = finds[id] else { return }
    let size = find.key.chunkOf.map { source.hash == $0.parent ? $0.range.count : source.file.size } ?? source.file.size
    // The client may not know the manifest that the node names.
    let isItself = source.hash == find.key.hash && source.offset == 0
    let manifest = find.key.manifest ?? (isItself ? source.file.manifest : nil)
    let key = FileKey(hash: find.key.hash, manifest: manifest, chunkOf: find.key.chunkOf)
    find.found(FoundFile(node: source.node, key: key, size: size))
  }
}

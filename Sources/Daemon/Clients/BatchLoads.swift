import APIModel
import ContentStore
import EventLoop
import NodeCore
import Primitives
import Transfer
import Wire

/// Clients waiting for many files. Small ones arrive together, the others as separate loads. Bound to the loop.
final class BatchLoads {
  /// Files per lookup in the store: few at first, so that something arrives soon, then many, because a lookup queues
  /// behind arriving files.
  private static let firstLook = 512
  private static let laterLooks = 8_192

  /// A download from the nodes that may be asked over a topic, or from one of them.
  var newDownload: (NodeID?, Topic?) -> BatchDownload? = { _, _ in nil }

  private let requests: FileRequests
  private let store: ContentStore
  private let driver: CoreDriver
  private let loop: EventLoop
  private let metrics: NodeMetrics
  private var sessions: [UInt64: BatchLoadSession] = [:]
  private var lastNumber: UInt64 = 0

  init(_ requests: FileRequests, _ store: ContentStore, driver: CoreDriver, loop: EventLoop, metrics: NodeMetrics) {
    self.requests = requests
    self.store = store
    self.driver = driver
    self.loop = loop
    self.metrics = metrics
  }

  /// How many clients wait.
  var count: Int { sessions.count }

  /// The clients' requests that are underway, the oldest first.
  var transfers: [TransferState] {
    sessions.sorted { $0.key < $1.key }.map { number, session in
      var state = session.state(number: number)
      let fromEngine = session.underway.keys.flatMap { requests.sources(of: $0) }
      state.nodes = Set((session.download?.nodes ?? []) + fromEngine).sorted()
      return state
    }
  }

  /// Loads files and reports to `continuation`.
  ///
  /// - Returns: a number for `cancel`.
  func load(_ request: BatchLoadRequest, _ continuation: BatchLoadSession.Continuation) -> UInt64 {
    lastNumber += 1
    let session = BatchLoadSession(request, loop: loop, continuation: continuation)
    guard !request.keys.isEmpty else {
      session.finish()
      return lastNumber
    }
    sessions[lastNumber] = session
    lookFor(request.keys.indices, of: session)
    return lastNumber
  }

  /// Ends a session: the client has everything, or has gone.
  func cancel(_ number: UInt64) {
    guard let session = sessions.removeValue(forKey: number) else { return }
    session.abandon()
    let names = session.loadedNames
    if !names.isEmpty {
      loop.work { [store] in
        store.index?.note(names: names)
      } then: {
      }
    }
    for load in session.underway.keys.sorted(by: { $0.number < $1.number }) { requests.cancel(load) }
  }

  /// Reports that the node serves others first.
  func waits(for node: NodeID) {
    for (_, session) in sessions.sorted(by: { $0.key < $1.key }) { session.download?.waits(for: node) }
  }

  /// Ends every session because the node is stopping.
  func stop() {
    for session in sessions.values { session.close() }
  }

  /// Reports the files that are already here, and fetches the others; the first ones arrive while later ones are looked
  /// up.
  private func lookFor(_ indices: Range<Int>, of session: BatchLoadSession) {
    let group = indices.prefix(indices.lowerBound == 0 ? Self.firstLook : Self.laterLooks)
    guard !session.isClosed, !group.isEmpty else { return }
    let hashes = group.map { session.request.keys[$0].hash }
    loop.work { [store] in
      hashes.map { hash in Result { () throws(KacheryError) in try store.find(hash) } }
    } then: { [self] found in
      var missing: [Int] = []
      for (index, result) in zip(group, found) {
        switch result {
        case .success(let file?): session.ended(index, bytes: file.size, .success(file.path))
        case .success(nil): missing.append(index)
        case .failure(let error): session.ended(index, .failure(error))
        }
      }
      fetch(missing, of: session)
      lookFor(indices.dropFirst(group.count), of: session)
    }
  }

  /// Loads small files together, from any node that has them. Parts of files and large files are loaded separately.
  private func fetch(_ missing: [Int], of session: BatchLoadSession) {
    let keys = session.request.keys
    let small = missing.filter { keys[$0].chunkOf == nil }
    for index in missing where keys[index].chunkOf != nil { session.needsEngine(index) }
    do throws(KacheryError) {
      if let download = try download(of: session) {
        download.add(small.map { ($0, keys[$0].hash) }.sorted { $0.hash < $1.hash })
      } else {
        // A node may still appear; the engine decides how long to wait.
        for index in small { session.needsEngine(index) }
      }
    } catch {
      for index in small { session.ended(index, .failure(error)) }
    }
    advanceEngine(session)
  }

  /// The download of this session's small files; nil if no node can be asked.
  private func download(of session: BatchLoadSession) throws(KacheryError) -> BatchDownload? {
    if let download = session.download { return download }
    let topic = try session.request.channel.map { name throws(KacheryError) in try requests.topic(name) }
    guard let download = newDownload(session.request.node, topic) else { return nil }
    session.download = download
    download.onEvent = { [weak self] event in self?.take(event, of: session) }
    return download
  }

  private func take(_ event: BatchDownload.Event, of session: BatchLoadSession) {
    switch event {
    case .received(let bytes): metrics.bytesReceived.add(bytes)
    case .misbehaved(let node, let hash): driver.input { $0.misbehaved(node, hash, at: $1) }
    case .refused(let node, let hash, let refusal): driver.transfer { engine, _ in engine.refused(node, hash, refusal) }
    case .ended(let index, .stored(let path), let bytes):
      metrics.loadsFinished.add()
      session.ended(index, bytes: UInt64(bytes), .success(path))
    case .ended(let index, .failed(let error), _):
      metrics.loadsFailed.add()
      session.ended(index, .failure(error))
    case .ended(let index, .missing(.nowhere(let asked)), _):
      metrics.loadsFailed.add()
      let (key, now) = (session.request.keys[index], driver.now)
      session.ended(index, .failure(driver.read { $0.missing(key, asked: asked, at: now) }))
    case .ended(let index, .missing(.needsEngine), _):
      session.needsEngine(index)
      advanceEngine(session)
    }
  }

  /// Starts more loads in the engine while there is room.
  private func advanceEngine(_ session: BatchLoadSession) {
    while let index = session.takeForEngine() {
      let request = LoadRequest(
        key: session.request.keys[index], node: session.request.node, channel: session.request.channel)
      requests.loadMissing(request) { id in
        session.underway[id] = 0
        return LoadObserver(
          progress: { loaded, _, _ in
            session.underway[id] = loaded
            session.reportProgress()
          },
          waits: { session.reportWait($0) },
          end: { [weak self] outcome in
            let bytes = session.underway.removeValue(forKey: id) ?? 0
            session.ended(index, bytes: bytes, outcome)
            self?.advanceEngine(session)
          })
      }
    }
  }
}

import ContentStore
import EventLoop
import Links
import NodeCore
import Primitives
import Transfer

/// Incoming files: their state in the store, and the streams that fetch them. Bound to the loop.
final class Downloads {
  /// One download from one node.
  private struct ClientKey: Hashable {
    let download: DownloadID
    let node: NodeID
  }

  /// How often to check for a file that another node receives into the same storage directory.
  private static let sharedPeriod: Duration = .seconds(1)
  /// Bytes of small files that all batches may have in memory, and that one node may send ahead of the disk: enough to
  /// work on while other files wait for the disk.
  private static let batchMemory = 64 << 20
  private static let batchWindow = 16 << 20

  /// The lanes to the node at the other end of this link; nil if it is not up.
  var lanes: (LinkID) -> (any Lanes)? = { _ in nil }
  /// What stands for a channel in requests on this link; nil if it is not joined or the link is not up.
  var proof: (Topic, LinkID) -> ChannelProof? = { _, _ in nil }
  /// Whether what was requested over the link with this ID may still come.
  var isCarrying: (LinkID) -> Bool = { _ in false }

  /// How long lanes are kept for a transfer that has been announced.
  var patience = AnnouncedTransfer.patience

  private let store: ContentStore
  private let loop: EventLoop
  private let driver: CoreDriver
  private let metrics: NodeMetrics
  private let limiter: RateLimiter
  private var incoming: [DownloadID: IncomingFile] = [:]
  private var saves: [DownloadID: EarlySaves] = [:]
  private var wanted: Set<DownloadID> = []
  private var queue = KeyedQueue()
  private var clients: [ClientKey: FetchClient] = [:]
  private var checks: [ObjectIdentifier: PossessionCheck] = [:]
  /// Of clients that do not exist yet.
  private var announced: [ClientKey: AnnouncedTransfer] = [:]

  init(_ store: ContentStore, driver: CoreDriver, loop: EventLoop, metrics: NodeMetrics, rate: RateSchedule?) {
    self.store = store
    self.driver = driver
    self.loop = loop
    self.metrics = metrics
    limiter = RateLimiter(RateLimit(rate), loop: loop)
  }

  /// The file with this hash while it is being loaded; of several that nodes describe differently, the one with the
  /// most verified bytes.
  func arriving(_ hash: ContentHash) -> IncomingFile? {
    incoming.values.filter { $0.hash == hash }.max { $0.verifiedBytes < $1.verifiedBytes }
  }

  /// Sets how fast bytes may arrive; nil for no limit.
  func setRate(_ schedule: RateSchedule?) { limiter.limit.schedule = schedule }

  /// A download of many small files from these nodes, which shares the rate and the memory with all others.
  ///
  /// - Parameter sources: the peers that may be asked now, and how many batches share them.
  func newBatch(
    from sources: @escaping () -> (peers: [(peer: AskedPeer, link: LinkID)], batches: Int)
  ) -> BatchDownload {
    BatchDownload(store: store, loop: loop, limiter: limiter, isCarrying: isCarrying) { [self] in
      let (peers, batches) = sources()
      let linked = peers.compactMap { peer, id in lanes(id).map { (peer: peer, id: id, lanes: $0) } }
      let share = Self.batchMemory / max(1, batches * linked.count)
      let window = FetchWindow.kept(min(Self.batchWindow, share), to: limiter.limit.rate)
      return linked.compactMap { peer, id, lanes in
        guard let lane = lanes.usable.first, let channel = proof(peer.topic, id) else { return nil }
        return BatchSource(node: peer.node, channel: channel, link: id) { lane.open(window) }
      }
    }
  }

  /// Has a peer send parts of a file, and compares them with what is here. Nothing is stored.
  ///
  /// - Parameter then: called once with why the peer has not proved to hold the file; nil if it has.
  func compare(
    _ parts: PossessionCheck.Sample, of hash: ContentHash, with peer: AskedPeer, over id: LinkID,
    then: @escaping (KacheryError?) -> Void
  ) {
    guard let lanes = lanes(id) else { return then(KacheryError(.disconnected, "it is not linked")) }
    let window = FetchWindow.kept(FetchWindow.least, to: limiter.limit.rate)
    let ranges = RangeClient(lanes, window: window, laneWindow: window, loop: loop)
    ranges.proof = { [weak self] topic, link in self?.proof(topic, link ?? id) }
    var key: ObjectIdentifier?
    let check = PossessionCheck(ranges, parts, loop: loop, limiter: limiter) { [weak self] problem in
      if let key { self?.checks[key] = nil }
      then(problem)
    }
    key = ObjectIdentifier(check)
    checks[ObjectIdentifier(check)] = check
    check.begin(hash, over: peer.topic)
  }

  func perform(_ effect: DownloadEffect) {
    switch effect {
    case .readManifest(let download, let hash, let manifest): readManifest(download, hash, manifest)
    case .prepare(let download, let plan): prepare(download, plan)
    case .abandon(let download, let node):
      let key = ClientKey(download: download, node: node)
      clients.removeValue(forKey: key)?.close()
      announced[key]?.end()
    case .complete(let download): complete(download)
    case .discard(let download): discard(download)
    }
  }

  /// Ends every fetch.
  ///
  /// - Returns: the files that were arriving; the caller closes them, off the loop.
  func stop() -> [IncomingFile] {
    for client in clients.values { client.close() }
    clients = [:]
    for check in Array(checks.values) { check.close() }
    for transfer in announced.values { transfer.end() }
    return Array(incoming.values)
  }

  // MARK: The store

  private func readManifest(_ download: DownloadID, _ hash: ContentHash, _ manifest: ContentHash) {
    loop.work { [store] in
      Result { () throws(KacheryError) in try store.manifest(for: hash, named: manifest) }
    } then: { [driver] result in
      driver.transfer { engine, now in
        switch result {
        case .success(let found): engine.manifestRead(download, found, at: now)
        case .failure(let error): engine.storageFailed(download, error, at: now)
        }
      }
    }
  }

  private func prepare(_ download: DownloadID, _ plan: DownloadPlan) {
    wanted.insert(download)
    inTurn(plan.hash) { [self] in
      guard wanted.contains(download) else { return turnEnded(plan.hash) }
      let isBeside = incoming.values.contains { $0.hash == plan.hash }
      loop.work { [store] in
        Result { () throws(KacheryError) in try Preparation(of: plan, isBeside: isBeside, in: store) }
      } then: { [self] result in
        prepared(download, plan, result)
        turnEnded(plan.hash)
      }
    }
  }

  private func prepared(_ download: DownloadID, _ plan: DownloadPlan, _ result: Result<Preparation, KacheryError>) {
    switch result {
    case .failure(let error): driver.transfer { $0.storageFailed(download, error, at: $1) }
    case .success(.isHere):
      driver.transfer { $0.prepared(download, verified: PieceSet(plan.pieces.indices), at: $1) }
    case .success(.isUnderway):
      _ = loop.after(Self.sharedPeriod) { [self] in if wanted.contains(download) { prepare(download, plan) } }
    case .success(.receiving(let file)):
      guard wanted.contains(download) else { return file.close() }
      incoming[download] = file
      saves[download] = EarlySaves(of: file, loop: loop)
      let verified = PieceSet(file.resumed.compactMap { plan.place(of: $0.range) })
      driver.transfer { $0.prepared(download, verified: verified, at: $1) }
    }
  }

  private func complete(_ download: DownloadID) {
    guard let file = incoming[download] else {
      // Another node has received the file, so this one has nothing to check.
      return driver.transfer { $0.completed(download, .admitted, at: $1) }
    }
    loop.work {
      CompletionOutcome(finishing: file)
    } then: { [driver] outcome in
      driver.transfer { $0.completed(download, outcome, at: $1) }
    }
  }

  private func discard(_ download: DownloadID) {
    wanted.remove(download)
    for (key, client) in clients where key.download == download {
      client.close()
      clients[key] = nil
    }
    for (key, transfer) in announced where key.download == download { transfer.end() }
    saves[download] = nil
    guard let file = incoming.removeValue(forKey: download) else { return }
    inTurn(file.hash) { [self] in
      loop.work {
        file.close()
      } then: { [self] in
        turnEnded(file.hash)
      }
    }
  }

  private func inTurn(_ hash: ContentHash, _ work: @escaping () -> Void) { queue.take(hash, work)?() }

  private func turnEnded(_ hash: ContentHash) { queue.end(hash)?() }

  // MARK: Fetching

  /// The download will soon fetch up to this number of bytes from the node over this link.
  func willFetch(_ count: UInt64, _ download: DownloadID, from node: NodeID, over id: LinkID) {
    guard let lanes = lanes(id) else { return }
    let key = ClientKey(download: download, node: node)
    announced[key]?.end()
    announced[key] = AnnouncedTransfer(of: count, lanes, for: patience, loop: loop) { [weak self] in
      self?.announced[key] = nil
    }
  }

  /// Fetches a piece over this link.
  func fetch(_ fetch: PieceFetch, _ download: DownloadID, over id: LinkID) {
    guard let lanes = lanes(id), let file = incoming[download], let range = fetch.range else {
      return driver.transfer { $0.fetched(fetch.id, .disconnected, at: $1) }
    }
    // It was accepted just before its source was abandoned.
    guard !file.hasArrived(fetch.piece.range) else {
      return driver.transfer { $0.fetched(fetch.id, .verified, at: $1) }
    }
    let key = ClientKey(download: download, node: fetch.source.node)
    let client = clients[key] ?? newClient(key, lanes, file, over: id)
    client.request(fetch, range)
  }

  private func newClient(
    _ key: ClientKey, _ lanes: any Lanes, _ file: IncomingFile, over id: LinkID
  ) -> FetchClient {
    let window = FetchWindow.next(beside: clients.values.map(\.window), rate: limiter.limit.rate)
    let ranges = RangeClient(
      lanes, window: window, laneWindow: FetchWindow.kept(FetchWindow.lane, to: limiter.limit.rate), loop: loop)
    ranges.proof = { [weak self] topic, link in self?.proof(topic, link ?? id) }
    let client = FetchClient(ranges, window: window, incoming: file, loop: loop, limiter: limiter)
    let saves = saves[key.download]
    client.onProgress = { [driver, metrics] fetch, count, received in
      saves?.wrote(count)
      metrics.bytesReceived.add(count)
      driver.transfer { $0.received(fetch, received, at: $1) }
    }
    client.onRoom = { [driver] in driver.transfer { $0.hasRoom(key.download, at: key.node, at: $1) } }
    client.onOutcome = { [driver, metrics] fetch, outcome in
      if case .verified = outcome { metrics.piecesVerified.add() }
      driver.transfer { $0.fetched(fetch, outcome, at: $1) }
    }
    clients[key] = client
    announced[key]?.end()
    return client
  }
}

extension CompletionOutcome {
  /// Checks and admits a file after every piece has arrived. Blocks on the disk.
  fileprivate init(finishing file: IncomingFile) {
    do throws(KacheryError) {
      _ = try file.finish()
      self = .admitted
    } catch {
      self = .failed(error)
    }
  }
}

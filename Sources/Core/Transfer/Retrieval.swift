import Primitives
import Wire

/// A wanted file: who waits for it, the progress of the attempts at it, and how it ends.
struct Retrieval: Sendable {
  /// Those that wait for the file.
  enum Waiter: Hashable, Sendable {
    case load(LoadID)
    /// The file is the manifest that this download needs.
    case download(DownloadID)
  }

  private(set) var waiters: [Waiter]
  private(set) var attempts: Attempts
  private var asking = PartialAsking()

  init(_ query: FileQuery, isManifest: Bool, waiter: Waiter) {
    waiters = [waiter]
    attempts = Attempts(query, isManifest: isManifest)
  }

  var query: FileQuery { attempts.query }

  private var hash: ContentHash { query.key.hash }

  // MARK: Waiters

  mutating func add(_ waiter: Waiter) { waiters.append(waiter) }

  mutating func remove(_ waiter: Waiter) { waiters.removeAll { $0 == waiter } }

  /// The retrieval has ended; the waiters are informed elsewhere.
  mutating func takeWaiters() -> [Waiter] {
    defer { waiters = [] }
    return waiters
  }

  /// Reports progress to the waiters, if this is the attempt that they see.
  private func tellProgress(_ id: DownloadID, _ node: NodeID, _ out: inout TransferOutbox) {
    guard let leader = attempts.table.leader, leader.id == id, let plan = leader.plan else { return }
    let loaded = leader.loadedBytes
    for case .load(let load) in waiters {
      out.emit(.client(.progress(load, loaded: loaded, total: plan.size, node: node)))
    }
  }

  // MARK: Sources

  /// Changes the sources or the progress of an attempt.
  mutating func change(_ body: (inout Attempts) -> Void) { body(&attempts) }

  /// A peer with permission wants this file: if it is being loaded here, the peer may be loading it as well.
  mutating func wanted(by peer: NodeID) {
    guard query.key.chunkOf == nil, query.node == nil || query.node == peer, attempts.table.source(peer) == nil,
      !attempts.ruledOut.nodes.contains(peer)
    else { return }
    asking.add(peer)
  }

  // MARK: Bytes

  /// Bytes of a piece have arrived: now `received` of its first bytes.
  mutating func received(
    _ fetch: FetchID, of id: DownloadID, _ received: UInt64, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let node = attempts.change(id, { $0.received(fetch, received, at: now) }) ?? nil else { return }
    tellProgress(id, node, &out)
    attempts.change(id) { $0.scheduleNext(after: node, &out, at: now) }
  }

  /// The fetch of a piece has ended.
  mutating func fetched(
    _ fetch: FetchID, of id: DownloadID, _ outcome: FetchOutcome, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let (fetch, overtaken) = attempts.change(id, { $0.end(fetch, outcome, &out, at: now) }) ?? nil else { return }
    let node = fetch.node
    switch outcome {
    case .verified:
      out.history.update(hash) { $0.noteGift(of: node) }
      for node in overtaken {
        out.history.update(hash) { $0.noteLoss(node, .silent) }
        attempts.drop(node, &out, at: now)
      }
      tellProgress(id, node, &out)
      attempts.change(id) { $0.proceed(&out, at: now) }
    case .storageFailed(let error): attempts.storageFailed(id, error, &out, at: now)
    case .refused(.limitReached): waitForBusy(node, &out, at: now)
    case .hashMismatch: attempts.mismatched(id, fetch, &out, at: now)
    case .refused(let refusal): attempts.lose(node, .refused(refusal), &out, at: now)
    case .disconnected: attempts.lose(node, .disconnected, &out, at: now)
    }
  }

  /// A source has stopped in the middle of a piece of `file`, with a reason. The end of the stream alone would not show
  /// it.
  mutating func aborted(
    _ file: ContentHash, by node: NodeID, _ reason: Refusal, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard attempts.table.source(node)?.source.hash == file, let id = attempts.table.id(of: node),
      attempts.table[id]?.outstanding(from: node) ?? 0 > 0
    else { return }
    guard reason != .limitReached else { return waitForBusy(node, &out, at: now) }
    attempts.lose(node, .refused(reason), &out, at: now)
  }

  // MARK: Delays

  /// A node reports that its request for `file` waits for its turn there, as do `others` other peers.
  mutating func waits(
    for file: ContentHash, at node: NodeID, others: UInt32, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard attempts.table.source(node)?.source.hash == file, let id = attempts.table.id(of: node),
      attempts.change(id, { $0.wait(for: node, others: others, at: now) }) == true
    else { return }
    out.requests.append(.delayed(hash, node, others: others))
  }

  /// A source serves its maximum number of transfers: asks it again later, and others meanwhile.
  private mutating func waitForBusy(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = attempts.table.id(of: node) else { return }
    out.history.update(hash) { $0.noteLoss(node, .refused(.limitReached)) }
    guard attempts.change(id, { $0.rest(node, &out, at: now) }) == true else {
      return dropTooBusy(node, &out, at: now)
    }
    out.requests.append(.delayed(hash, node, others: nil))
  }

  /// A new search would only find it again, so the search counts as done.
  private mutating func dropTooBusy(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    attempts.skipSearch()
    if let delay = attempts.table.source(node)?.delay { out.requests.append(.waitedTooLong(hash, node, delay)) }
    attempts.drop(node, &out, at: now)
  }

  /// The wait for the node began earlier, with the manifest of this file.
  mutating func setDelay(_ delay: SourceDelay, of node: NodeID) {
    guard let id = attempts.table.id(of: node) else { return }
    attempts.change(id) { $0.setDelay(delay, of: node) }
  }

  /// Whether every source serves others and sends nothing for now.
  func isDelayed(ignoring delayed: Set<NodeID> = []) -> Bool {
    attempts.table.states.allSatisfy { $0.delay != nil || delayed.contains($0.node) }
  }

  // MARK: Time

  /// When to call `wake` next.
  var wakeAt: Instant? { [attempts.table.wakeAt, asking.wakeAt].compactMap { $0 }.min() }

  /// Drops sources that have fallen silent, asks others for late pieces, and asks nodes that load the file themselves
  /// what they have by now, unless a question to them is open.
  mutating func wake(asked: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant) {
    for source in attempts.table.inOrder.flatMap({ $0.silent(at: now) }) {
      let hasWaited = source.delay?.isTooLong(at: now) ?? false
      out.history.update(hash) { $0.noteLoss(source.node, hasWaited ? .refused(.limitReached) : .silent) }
      if hasWaited { dropTooBusy(source.node, &out, at: now) } else { attempts.drop(source.node, &out, at: now) }
    }
    for id in attempts.table.inOrder.map(\.id) { attempts.change(id) { $0.wake(&out, at: now) } }
    guard !asking.hasStarved(at: now) else {
      for node in attempts.table.nodes { attempts.drop(node, &out, at: now) }
      return
    }
    let exhausted = attempts.table.states.filter(\.isExhausted).map(\.node)
    for node in asking.takeDue(exhausted: exhausted, at: now) ?? [] where !asked.contains(node) {
      out.requests.append(.ask(node, of: hash))
    }
  }

  /// The downloads whose manifest the other sources have waited for long enough, in order.
  func lateManifests(at now: Instant) -> [(id: DownloadID, manifest: ContentHash)] {
    attempts.table.inOrder.compactMap { download in
      guard let manifest = download.awaitedManifest, case .fetchingManifest(let instant, _) = download.phase,
        instant <= now
      else { return nil }
      return (download.id, manifest)
    }
  }

  // MARK: The end

  /// Reviews the state after an input: starts attempts that have waited, and postponed ones once nothing else is left
  /// to try; sets when to ask again for missing pieces.
  ///
  /// - Returns: why the retrieval fails, if nothing is running and `isSearching` is false.
  mutating func settle(isSearching: Bool, _ out: inout TransferOutbox, at now: Instant) -> TransferFailure? {
    for id in attempts.table.waiting { attempts.start(id, &out, at: now) }
    let isOver = !attempts.table.hasActive() && !isSearching && !retryPostponed(&out, at: now)
    reviewAsking(at: now)
    return isOver ? failure : nil
  }

  private mutating func reviewAsking(at now: Instant) {
    let table = attempts.table
    let exhausted = table.exhaustedCount
    let isMissing = table.isMissingPieces(hasExhausted: exhausted > 0)
    // Waiting for a busy source is handled separately.
    let starves = table.hasSources && !table.hasRestingSource && table.isIdle
    asking.review(exhausted: isMissing ? exhausted : nil, starves: starves, at: now)
  }

  /// A claim of a huge file must not use up the disk for the true one: what could not be written is retried when it is
  /// the only one left, the smallest file first.
  private mutating func retryPostponed(_ out: inout TransferOutbox, at now: Instant) -> Bool {
    let postponed = attempts.table.inOrder.filter { download in
      guard case .postponed(mayRetry: true) = download.phase else { return false }
      return !download.nodes.isEmpty
    }
    guard let smallest = postponed.min(by: { ($0.claimedSize, $0.id.number) < ($1.claimedSize, $1.id.number) }),
      let next = attempts.replace(smallest.id, isRetry: true, &out)
    else { return false }
    attempts.start(next, &out, at: now)
    return true
  }

  private var failure: TransferFailure {
    if let error = attempts.storageError { return .storage(error) }
    guard attempts.ruledOut.nodes.isEmpty else { return .corruptSources(attempts.ruledOut.nodes) }
    guard let last = attempts.losses.last else { return .noSource(asked: attempts.losses.asked) }
    let leader = attempts.table.leader
    return .lostSources(loaded: leader?.fetching?.verifiedBytes ?? 0, total: leader?.plan?.size ?? 0, last: last)
  }

  // MARK: Progress

  /// The progress of the load.
  ///
  /// - Parameter manifestDelay: the delay of a node as a source of that manifest: while the manifest is being fetched,
  ///   its delay is the file's delay.
  func progress(at now: Instant, manifestDelay: (NodeID, ContentHash) -> SourceDelay?) -> LoadProgress {
    let sources = attempts.table.nodes.compactMap { node -> LoadProgress.Source? in
      guard let source = attempts.table.source(node) else { return nil }
      let manifest = attempts.table.id(of: node).flatMap { attempts.table[$0]?.awaitedManifest }
      let delay = manifest.map { manifestDelay(node, $0) } ?? source.delay
      return LoadProgress.Source(
        node: node, bytesPerSecond: source.rate.bytesPerSecond(at: now),
        silence: source.heardAt.map { now - $0 } ?? .zero,
        wait: delay.map { LoadProgress.Wait(time: now - $0.since, others: $0.others) })
    }
    return LoadProgress(
      loaded: attempts.table.loadedBytes, total: attempts.table.leader?.plan?.size, sources: sources)
  }
}

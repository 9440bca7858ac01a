import Primitives

/// The retrievals: who waits for each, what each requests, and how it ends.
extension TransferEngine {
  /// Changes a retrieval in place and carries out its requests.
  mutating func change(
    _ hash: ContentHash, at now: Instant, _ body: (inout Retrieval, inout TransferOutbox) -> Void
  ) {
    // Removed meanwhile: a second reference would make every change copy it.
    guard var retrieval = retrievals.removeValue(forKey: hash) else { return }
    body(&retrieval, &out)
    retrievals[hash] = retrieval
    carryOut(at: now)
    settle(hash, at: now)
  }

  /// The same for the retrieval to which a download belongs.
  mutating func change(
    _ id: DownloadID, at now: Instant, _ body: (inout Retrieval, inout TransferOutbox) -> Void
  ) {
    guard let hash = out.retrievalOfDownload[id] else { return }
    change(hash, at: now, body)
  }

  /// Changes the sources of a file, or the progress of an attempt at it, and carries out the consequences.
  mutating func changeAttempts(
    _ hash: ContentHash, at now: Instant, _ body: (inout Attempts, inout TransferOutbox) -> Void
  ) {
    change(hash, at: now) { retrieval, out in retrieval.change { body(&$0, &out) } }
  }

  /// The same for the file to which a download belongs.
  mutating func changeAttempts(
    of id: DownloadID, at now: Instant, _ body: (inout Attempts, inout TransferOutbox) -> Void
  ) {
    change(id, at: now) { retrieval, out in retrieval.change { body(&$0, &out) } }
  }

  mutating func join(_ query: FileQuery, _ waiter: Retrieval.Waiter, isManifest: Bool, at now: Instant) {
    let hash = query.key.hash
    guard retrievals[hash] == nil else {
      retrievals[hash]?.add(waiter)
      return
    }
    retrievals[hash] = Retrieval(query, isManifest: isManifest, waiter: waiter)
    out.history.update(hash) { $0.beginLoad() }
    search(hash, at: now)
  }

  mutating func leave(_ hash: ContentHash, _ waiter: Retrieval.Waiter) {
    retrievals[hash]?.remove(waiter)
    if retrievals[hash]?.waiters.isEmpty == true { forget(hash) }
  }

  /// Removes a retrieval and releases what it holds; its waiters were informed.
  private mutating func forget(_ hash: ContentHash) {
    guard let retrieval = retrievals.removeValue(forKey: hash) else { return }
    deadlines.clear(hash)
    sourceIndex.remove(hash)
    searches.removeAll(of: .retrieval(hash))
    for download in retrieval.attempts.table.inOrder {
      download.release(&out)
      if let manifest = download.awaitedManifest { leave(manifest, .download(download.id)) }
    }
  }

  /// Whether the retrieval of `manifest` waits, directly or through others, for the file with this hash.
  func waits(_ manifest: ContentHash, for hash: ContentHash) -> Bool {
    var seen: Set<ContentHash> = []
    var next = [manifest]
    while let file = next.popLast() {
      if file == hash { return true }
      guard seen.insert(file).inserted, let retrieval = retrievals[file] else { continue }
      next += retrieval.attempts.table.inOrder.compactMap(\.awaitedManifest)
    }
    return false
  }

  // MARK: Requests

  private mutating func carryOut(at now: Instant) {
    while !out.requests.isEmpty {
      switch out.requests.removeFirst() {
      case .search(let hash):
        // A question from before the loss would end before the node can return.
        searches.removeAll(of: .retrieval(hash))
        search(hash, at: now)
      case .ask(let node, let hash): ask(node, whatItHasOf: hash, at: now)
      case .fetchManifest(let manifest, let id):
        guard let query = out.retrievalOfDownload[id].flatMap({ retrievals[$0]?.query }) else { continue }
        let key = FileKey(hash: manifest)
        join(
          FileQuery(key: key, node: query.node, topic: query.topic), .download(id), isManifest: true, at: now)
      case .leaveManifest(let manifest, let id): leave(manifest, .download(id))
      case .delayed(let hash, let node, let others): delayed(hash, node, others, at: now)
      case .waitedTooLong(let hash, let node, let delay):
        for file in files(waitingFor: hash) {
          retrievals[file]?.setDelay(delay, of: node)
          deadlines.set(file, retrievals[file]?.wakeAt)
        }
      case .end(let hash, let outcome): end(hash, outcome, at: now)
      }
    }
  }

  /// Ends a retrieval that cannot succeed anymore.
  mutating func settle(_ hash: ContentHash, at now: Instant) {
    guard var retrieval = retrievals.removeValue(forKey: hash) else { return }
    let failure = retrieval.settle(isSearching: isSearching(for: hash), &out, at: now)
    deadlines.set(hash, retrieval.wakeAt)
    sourceIndex.set(hash, version: retrieval.attempts.table.version) { retrieval.attempts.table.nodes }
    retrievals[hash] = retrieval
    if let failure { out.requests.append(.end(hash, .failed(failure))) }
    if !out.requests.isEmpty { carryOut(at: now) }
  }

  private mutating func end(_ hash: ContentHash, _ outcome: RetrievalOutcome, at now: Instant) {
    guard let query = retrievals[hash]?.query, let waiters = retrievals[hash]?.takeWaiters() else { return }
    for case .load(let load) in waiters {
      retrievalOfLoad[load] = nil
      switch outcome {
      case .loaded(let size, let node):
        emit(.client(.progress(load, loaded: size, total: size, node: node)))
        emit(.client(.loaded(load)))
      case .failed(let failure): emit(.failed(load, failure, query))
      }
    }
    forget(hash)
    for case .download(let id) in waiters {
      switch outcome {
      case .loaded: changeAttempts(of: id, at: now) { $0.manifestArrived(id, &$1) }
      case .failed: changeAttempts(of: id, at: now) { $0.giveUpManifest(id, &$1, at: now) }
      }
    }
  }

  /// Sources that do not offer a manifest do not wait for it if it takes long.
  mutating func goOnWithoutManifests(of hash: ContentHash, at now: Instant) {
    for (id, manifest) in retrievals[hash]?.lateManifests(at: now) ?? [] {
      let offering = Set(retrievals[manifest]?.attempts.table.nodes ?? [])
      changeAttempts(hash, at: now) { $0.goOnWithoutManifest(id, offeredBy: offering, &$1, at: now) }
    }
  }

  // MARK: Delays

  /// The files whose manifest this one is.
  private func files(waitingFor hash: ContentHash) -> [ContentHash] {
    (retrievals[hash]?.waiters ?? []).compactMap { waiter in
      if case .download(let id) = waiter { out.retrievalOfDownload[id] } else { nil }
    }
  }

  /// Reports to everyone waiting for this file, or for the one whose manifest it is, that no node sends anything for
  /// now, and searches occasionally for nodes that were not there before, or did not have the file.
  private mutating func delayed(_ hash: ContentHash, _ node: NodeID, _ others: UInt32?, at now: Instant) {
    guard let retrieval = retrievals[hash] else { return }
    let delayed = Set(retrieval.attempts.table.states.filter { $0.delay != nil }.map(\.node))
    for file in [hash] + files(waitingFor: hash) {
      guard let waiting = retrievals[file] else { continue }
      if retrieval.isDelayed() {
        for case .load(let load) in waiting.waiters { emit(.client(.waits(load, node: node, others: others))) }
      }
      if file != hash, others == nil { out.history.update(file) { $0.noteLoss(node, .refused(.limitReached)) } }
      guard waiting.isDelayed(ignoring: delayed), !isSearching(for: file),
        waiting.attempts.losses.searchedAt.map({ now - $0 >= SourceDelay.searchPeriod }) ?? true
      else { continue }
      search(file, at: now)
    }
  }
}

import Primitives
import Wire

extension Retrieval {
  /// Bytes of a piece have arrived: now `received` of its first bytes.
  mutating func received(
    _ fetch: FetchID, of id: DownloadID, _ received: UInt64, _ out: inout TransferOutbox, at now: Instant
  ) {
    let known = downloads[id]?.change { fetching -> (node: NodeID, new: UInt64)? in
      guard let before = fetching.fetches[fetch] else { return nil }
      fetching.fetches[fetch]?.received = max(before.received, received)
      return (before.node, received - min(before.received, received))
    }
    guard let (node, new) = known ?? nil else { return }
    sources[node]?.gave(new, at: now)
    tellProgress(id, node, &out)
    guard downloads[id]?.fetching?.missing.isEmpty == false, wantsMore(node, at: now) else { return }
    schedule(id, &out, at: now)
  }

  /// The fetch of a piece has ended.
  mutating func fetched(
    _ id: FetchID, of download: DownloadID, _ outcome: FetchOutcome, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let fetch = downloads[download]?.fetching?.fetches[id] else { return }
    out.downloadOfFetch[id] = nil
    if case .verified = outcome { return verified(id, fetch, of: download, &out, at: now) }
    _ = downloads[download]?.change { $0.end(id, isKept: outcome.keepsBytes) }
    for source in sources(of: download) { sources[source.node]?.isExhausted = false }
    switch outcome {
    case .verified: break
    case .storageFailed(let error): storageFailed(download, error, &out, at: now)
    case .refused(.limitReached): waitForBusy(fetch.node, &out, at: now)
    case .hashMismatch: mismatched(download, fetch, &out, at: now)
    case .refused(let refusal): lose(fetch.node, .refused(refusal), from: download, &out, at: now)
    case .disconnected: lose(fetch.node, .disconnected, from: download, &out, at: now)
    }
  }

  /// A source has stopped in the middle of a piece of `file`, with a reason. The end of the stream alone would not show
  /// it.
  mutating func aborted(
    _ file: ContentHash, by node: NodeID, _ reason: Refusal, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let source = sources[node], source.source.hash == file, let id = source.download,
      downloads[id]?.fetching?.outstanding(from: node) ?? 0 > 0
    else { return }
    guard reason != .limitReached else { return waitForBusy(node, &out, at: now) }
    lose(node, .refused(reason), &out, at: now)
  }

  /// The source does not send the file, or no longer does.
  mutating func lose(
    _ node: NodeID, _ loss: FileHistory.Loss, from download: DownloadID? = nil, _ out: inout TransferOutbox,
    at now: Instant
  ) {
    out.history.update(hash) { $0.noteLoss(node, loss) }
    if let id = download ?? sources[node]?.download { out.emit(.download(.abandon(id, node))) }
    drop(node, mayReturn: loss == .disconnected, &out, at: now)
  }

  private mutating func verified(
    _ id: FetchID, _ fetch: Fetching.Fetch, of download: DownloadID, _ out: inout TransferOutbox, at now: Instant
  ) {
    let rivals = downloads[download]?.change { $0.verified(id) } ?? []
    sources[fetch.node]?.gave(0, at: now)
    sources[fetch.node]?.lostRaces = 0
    out.history.update(hash) { $0.noteGift(of: fetch.node) }
    if downloads[download]?.fetching?.outstanding(from: fetch.node) == 0 { sources[fetch.node]?.pause(at: now) }
    for (rivalID, rival) in rivals {
      out.downloadOfFetch[rivalID] = nil
      overtake(rival, in: download, hasBegunFirst: rival.begunAt < fetch.begunAt, &out, at: now)
    }
    tellProgress(download, fetch.node, &out)
    schedule(download, &out, at: now)
    completeIfWhole(download, &out)
  }

  /// Another source sent the piece first: the remaining pieces of this one are requested from others. A source that is
  /// overtaken repeatedly is dropped.
  private mutating func overtake(
    _ fetch: Fetching.Fetch, in download: DownloadID, hasBegunFirst: Bool, _ out: inout TransferOutbox,
    at now: Instant
  ) {
    let node = fetch.node
    out.emit(.download(.abandon(download, node)))
    giveBack(piecesOf: node, to: download, &out)
    sources[node]?.delay = nil
    sources[node]?.pause(at: now)
    guard hasBegunFirst else { return }
    sources[node]?.lostRaces += 1
    guard let races = sources[node]?.lostRaces, races >= TransferEngine.maximumOvertaken else { return }
    out.history.update(hash) { $0.noteLoss(node, .silent) }
    drop(node, &out, at: now)
  }

  /// Ends the node's fetches. Received bytes are kept, unless they may be wrong.
  mutating func giveBack(
    piecesOf node: NodeID, to id: DownloadID, isKept: Bool = true, _ out: inout TransferOutbox
  ) {
    let ended = downloads[id]?.change { fetching in
      let ended = fetching.fetches.filter { $0.value.node == node }.keys.sorted { $0.number < $1.number }
      for fetch in ended { fetching.end(fetch, isKept: isKept) }
      return ended
    }
    for fetch in ended ?? [] { out.downloadOfFetch[fetch] = nil }
    for source in sources(of: id) { sources[source.node]?.isExhausted = false }
  }
}

extension FetchOutcome {
  /// Whether the received bytes may be right.
  var keepsBytes: Bool {
    switch self {
    case .refused, .disconnected: true
    case .verified, .hashMismatch, .storageFailed: false
    }
  }
}

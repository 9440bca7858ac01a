package import Primitives

/// Sources that serve as much as they will: they are waited for.
extension TransferEngine {
  /// A node says that what it was asked for of this file waits for its turn there, and so do so many other peers.
  package mutating func waits(for hash: ContentHash, at node: NodeID, others: UInt32, at now: Instant) {
    for (id, download) in downloadsInOrder
    where download.sources[node]?.hash == hash && download.outstanding(from: node) > 0 {
      var delay = download.delays[node] ?? SourceDelay(since: download.heardFrom[node] ?? now)
      guard !delay.isTooLong(at: now) else { continue }
      delay.others = others
      downloads[id]?.delays[node] = delay
      downloads[id]?.heardFrom[node] = now
      tellWait(id, node, others: others)
      lookForOthers(id, at: now)
    }
  }

  /// A source serves as many transfers as it will: it is asked again later, and others meanwhile.
  mutating func waitForBusy(_ node: NodeID, in id: DownloadID, at now: Instant) {
    guard var download = downloads[id] else { return }
    var delay = download.delays[node] ?? SourceDelay(since: now)
    let wanted = waitingDownloads(for: id)
    for other in [id] + wanted {
      guard let hash = downloads[other]?.wish.key.hash else { continue }
      history.update(hash) { $0.noteLoss(node, .refused(.limitReached)) }
    }
    emit(.abandon(id, node))
    // The file may come without its manifest, or by another plan.
    let hasOtherWay = !download.misfits.isEmpty || wanted.contains { isOpen($0, withoutWaitingAs: download) }
    let isNeedless = delay.isLong(at: now) && hasOtherWay
    guard !delay.isTooLong(at: now), !isNeedless else {
      // Asked who has the file it would only come back, and be waited for again.
      if !isNeedless { downloads[id]?.hasSearchedAgain = true }
      for file in wanted { downloads[file]?.delays[node] = delay }
      return drop(node, from: id, at: now)
    }
    delay.refused(at: now)
    download.delays[node] = delay
    download.heardFrom[node] = nil
    download.rates[node]?.pause(at: now)
    downloads[id] = download
    giveBack(piecesOf: node, to: id)
    tellWait(id, node, others: nil)
    schedule(id, at: now)
    lookForOthers(id, at: now)
  }

  /// Tells whoever waits for this download, or for the file whose manifest it is, that nobody gives anything for now.
  private mutating func tellWait(_ id: DownloadID, _ node: NodeID, others: UInt32?) {
    guard let download = downloads[id], download.sources.keys.allSatisfy({ download.delays[$0] != nil }) else { return }
    for file in [id] + waitingDownloads(for: id) {
      for case .load(let load) in downloads[file]?.waiters ?? [] { emit(.waits(load, node: node, others: others)) }
    }
  }

  /// While nobody gives anything, those are asked now and then who were not there before, or did not have the file.
  private mutating func lookForOthers(_ id: DownloadID, at now: Instant) {
    guard let delays = downloads[id]?.delays else { return }
    for other in [id] + waitingDownloads(for: id) {
      guard let download = downloads[other], download.sources.keys.allSatisfy({ delays[$0] != nil }),
        now - download.searchedAt >= SourceDelay.searchPeriod, !isSearching(for: other)
      else { continue }
      ask(.download(other), download.wish, for: Self.searchTime, at: now)
    }
  }

  /// The downloads whose manifest this one is.
  private func waitingDownloads(for id: DownloadID) -> [DownloadID] {
    (downloads[id]?.waiters ?? []).compactMap { if case .download(let file) = $0 { file } else { nil } }
  }

  /// Whether the file may be had from a node that the manifest is not waited for at.
  private func isOpen(_ file: DownloadID, withoutWaitingAs manifest: Download) -> Bool {
    downloads[file]?.sources.keys.contains { manifest.delays[$0] == nil } ?? false
  }

  /// Asks again whoever has had its pause.
  mutating func askBusySources(of id: DownloadID, at now: Instant) {
    guard let download = downloads[id] else { return }
    let due = download.delays.filter { $0.value.asksAgainAt.map { $0 <= now } ?? false }.keys
    guard !due.isEmpty else { return }
    for node in due { downloads[id]?.delays[node]?.ask() }
    schedule(id, at: now)
  }
}

extension Download {
  /// Whether the source has refused to give anything for now and is not to be asked yet.
  func isResting(_ node: NodeID) -> Bool { delays[node]?.asksAgainAt != nil }
}

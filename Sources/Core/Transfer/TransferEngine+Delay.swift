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
    guard !delay.isTooLong(at: now) else {
      // Asked who has the file it would only come back, and be waited for again.
      downloads[id]?.hasSearchedAgain = true
      for file in wanted { downloads[file]?.delays[node] = delay }
      return drop(node, from: id, at: now)
    }
    delay.refused(at: now)
    download.delays[node] = delay
    download.heardFrom[node] = nil
    download.rates[node]?.pause(at: now)
    downloads[id] = download
    giveBack(piecesOf: node, to: id)
    schedule(id, at: now)
  }

  /// The downloads whose manifest this one is.
  private func waitingDownloads(for id: DownloadID) -> [DownloadID] {
    (downloads[id]?.waiters ?? []).compactMap { if case .download(let file) = $0 { file } else { nil } }
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

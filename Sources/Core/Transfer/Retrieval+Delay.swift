import Primitives

/// Waiting for sources that serve their maximum.
extension Retrieval {
  /// A node reports that its request for `file` waits for its turn there, as do `others` other peers.
  mutating func waits(
    for file: ContentHash, at node: NodeID, others: UInt32, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let source = sources[node], source.source.hash == file, let id = source.download,
      downloads[id]?.fetching?.outstanding(from: node) ?? 0 > 0
    else { return }
    var delay = source.delay ?? SourceDelay(since: source.heardAt ?? now)
    guard !delay.isTooLong(at: now) else { return }
    delay.others = others
    sources[node]?.delay = delay
    sources[node]?.heardAt = now
    out.requests.append(.delayed(hash, node, others: others))
  }

  /// A source serves its maximum number of transfers: asks it again later, and others meanwhile.
  mutating func waitForBusy(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = sources[node]?.download else { return }
    out.history.update(hash) { $0.noteLoss(node, .refused(.limitReached)) }
    out.emit(.download(.abandon(id, node)))
    var delay = sources[node]?.delay ?? SourceDelay(since: now)
    guard !delay.isTooLong(at: now) else { return dropTooBusy(node, &out, at: now) }
    delay.refused(at: now)
    giveBack(piecesOf: node, to: id, &out)
    sources[node]?.delay = delay
    sources[node]?.pause(at: now)
    schedule(id, &out, at: now)
    out.requests.append(.delayed(hash, node, others: nil))
  }

  /// A new search would only find it again, so the search counts as done.
  mutating func dropTooBusy(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    losses.searchedWith = loadedBytes
    if let delay = sources[node]?.delay { out.requests.append(.waitedTooLong(hash, node, delay)) }
    drop(node, &out, at: now)
  }

  /// Asks sources again whose pause is over.
  mutating func askBusySources(_ out: inout TransferOutbox, at now: Instant) {
    for node in sources.keys.sorted() {
      guard let due = sources[node]?.delay?.asksAgainAt, due <= now, let id = sources[node]?.download else { continue }
      sources[node]?.delay?.ask()
      schedule(id, &out, at: now)
    }
  }

  /// Whether every source serves others and sends nothing for now.
  func isDelayed(ignoring delayed: Set<NodeID> = []) -> Bool {
    sources.values.allSatisfy { $0.delay != nil || delayed.contains($0.node) }
  }
}

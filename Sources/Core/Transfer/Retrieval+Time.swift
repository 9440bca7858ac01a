import Primitives

extension Retrieval {
  /// When to call `wake` next.
  var wakeAt: Instant? {
    var earliest: Instant?
    func note(_ instant: Instant?) {
      guard let instant else { return }
      earliest = earliest.map { min($0, instant) } ?? instant
    }
    // in any order: the earliest counts
    for source in sources.values {
      note(source.delay?.asksAgainAt)
      if isAsked(source) { note(source.heardAt.map { $0 + TransferEngine.silence }) }
    }
    // in any order: the earliest counts
    for download in downloads.values {
      switch download.phase {
      case .fetchingManifest(let instant, _): note(instant)
      case .fetching(let fetching): note(fetching.checksAt)
      default: break
      }
    }
    note(asking.asksAt)
    note(starvesUntil)
    return earliest
  }

  private func isAsked(_ source: SourceState) -> Bool {
    guard let id = source.download, let fetching = downloads[id]?.fetching else { return false }
    return fetching.fetches.values.contains { $0.node == source.node }
  }

  /// Drops sources that have fallen silent, and asks others for late pieces.
  mutating func wake(asked: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant) {
    for node in sources.keys.sorted() {
      guard let source = sources[node], isAsked(source), let heard = source.heardAt,
        heard + TransferEngine.silence <= now
      else { continue }
      let hasWaited = source.delay?.isTooLong(at: now) ?? false
      out.history.update(hash) { $0.noteLoss(node, hasWaited ? .refused(.limitReached) : .silent) }
      if hasWaited { dropTooBusy(node, &out, at: now) } else { drop(node, &out, at: now) }
    }
    askBusySources(&out, at: now)
    for id in downloadsInOrder {
      guard let due = downloads[id]?.fetching?.checksAt, due <= now else { continue }
      race(id, &out, at: now)
    }
    askForMore(except: asked, &out, at: now)
  }
}

import Primitives

/// Which source is asked for which piece, and when a faster one takes over from a slower one.
extension TransferEngine {
  /// Asks each source for pieces until it has enough to do, the fastest first, or else `preferred`.
  mutating func schedule(_ id: DownloadID, preferring preferred: NodeID? = nil, at now: Instant) {
    guard var download = downloads[id], download.phase == .fetching, let plan = download.plan else { return }
    var isProgressing = true
    while isProgressing, !download.unrequested.isEmpty {
      isProgressing = false
      for source in download.sourcesByRate(preferring: preferred, at: now)
      where download.wantsMore(source.node, at: now) {
        guard let piece = download.takePiece(for: source, whole: manifestThreshold, node: node) else { continue }
        if download.outstanding(from: source.node) == 0 { download.begin(source.node, at: now) }
        let fetch = FetchID(number: newNumber())
        download.fetches[fetch] = Download.Fetch(piece: piece, node: source.node)
        downloadOfFetch[fetch] = id
        emit(.fetch(fetch, id, plan.pieces[piece], source))
        isProgressing = true
      }
    }
    download.checksForSlownessAt = download.hasIdleSource ? now + Self.slownessCheck : nil
    download.noteWhatIsMissing(at: now)
    downloads[id] = download
  }

  /// Takes pieces from sources that will need much longer for them than an idle one would from the beginning.
  mutating func overtakeSlowSources(of id: DownloadID, at now: Instant) {
    guard let download = downloads[id], download.phase == .fetching, let slowest = download.slowestSource(at: now),
      let fastest = download.sourcesByRate(at: now).first(where: {
        download.isIdle($0.node) && download.couldGive($0, somethingOf: slowest.node, whole: manifestThreshold)
      })
    else { return schedule(id, at: now) }
    guard slowest.timeLeft > download.patience(with: slowest.node, insteadOf: fastest.node, at: now) else {
      return schedule(id, at: now)
    }
    emit(.abandon(id, slowest.node))
    downloads[id]?.overtaken[slowest.node, default: 0] += 1
    guard downloads[id]?.overtaken[slowest.node] ?? 0 < Self.maximumOvertaken else {
      // Two that give nothing would take over from each other for ever.
      history.update(download.wish.key.hash) { $0.noteLoss(slowest.node, .silent) }
      return drop(slowest.node, from: id, at: now)
    }
    giveBack(piecesOf: slowest.node, to: id)
    downloads[id]?.delays[slowest.node] = nil
    downloads[id]?.rates[slowest.node]?.pause(at: now)
    schedule(id, preferring: fastest.node, at: now)
  }

  /// Puts what the node was to give back among what nobody has been asked for.
  mutating func giveBack(piecesOf node: NodeID, to id: DownloadID) {
    guard var download = downloads.removeValue(forKey: id) else { return }
    for (fetch, lost) in download.fetches where lost.node == node {
      download.fetches[fetch] = nil
      downloadOfFetch[fetch] = nil
      download.unrequested.append(lost.piece)
    }
    // The next piece stands last; pieces in order let the whole file be hashed as it arrives.
    download.unrequested.sort(by: >)
    download.exhausted = []
    downloads[id] = download
  }
}

extension Download {
  /// How long the last bytes of the pieces at hand may take before the next piece is asked for: longer than any round
  /// trip, and short enough that a slow source does not hold pieces that others could give.
  private static let lead = 1.0
  /// Seconds that a source must need for what it has been asked for before one takes over of which nothing is known.
  private static let patienceWithoutRate = 4.0

  /// The source is asked for something after a while in which it was not.
  mutating func begin(_ node: NodeID, at now: Instant) {
    heardFrom[node] = now
    rates[node, default: SourceRate()].begin(at: now)
  }

  /// The fastest first, then those of which nothing is known, then those that have given nothing, and always in the same
  /// order.
  func sourcesByRate(preferring preferred: NodeID? = nil, at now: Instant) -> [Source] {
    let known = sources.values.map { source in
      (source, source.node == preferred ? .infinity : estimate(of: source.node, at: now))
    }
    return known.sorted { $0.1 == $1.1 ? $0.0.node < $1.0.node : $0.1 > $1.1 }.map(\.0)
  }

  private func estimate(of node: NodeID, at now: Instant) -> Double {
    guard let rate = rates[node], let speed = rate.bytesPerSecond(at: now) else { return 0 }
    return rate.hasGiven ? speed : -1
  }

  /// Whether the source should be asked for another piece now.
  func wantsMore(_ node: NodeID, at now: Instant) -> Bool {
    guard !isResting(node), !exhausted.contains(node) else { return false }
    let count = outstanding(from: node)
    guard count > 0 else { return true }
    guard count < TransferEngine.piecesAhead, let timeLeft = timeLeft(for: node, at: now) else { return false }
    return timeLeft < Self.lead
  }

  var hasIdleSource: Bool {
    let busy = Set(fetches.values.map(\.node))
    return !busy.isEmpty && sources.keys.contains { !busy.contains($0) && !isResting($0) }
  }

  /// Whether the source has nothing to do and may be asked.
  func isIdle(_ node: NodeID) -> Bool { outstanding(from: node) == 0 && !isResting(node) }

  /// Seconds until the source has given everything that it was asked for; nil where its rate is unknown.
  func timeLeft(for node: NodeID, at now: Instant) -> Double? {
    guard let rate = rates[node]?.bytesPerSecond(at: now), let plan else { return nil }
    let bytes = fetches.values.reduce(0.0) { sum, fetch in
      guard fetch.node == node else { return sum }
      let count = plan.pieces[fetch.piece].range.count
      return sum + Double(count - min(fetch.received, count))
    }
    return bytes / rate
  }

  func slowestSource(at now: Instant) -> (node: NodeID, timeLeft: Double)? {
    Set(fetches.values.map(\.node)).sorted().compactMap { node in
      timeLeft(for: node, at: now).map { (node, $0) }
    }.max { $0.timeLeft < $1.timeLeft }
  }

  /// Seconds that `slow` may need before `other`, which has nothing to do, takes over: twice what that one would need for
  /// the same pieces, so that two of like speed do not take them from each other.
  func patience(with slow: NodeID, insteadOf other: NodeID, at now: Instant) -> Double {
    let rate = estimate(of: other, at: now)
    guard rate > 0, let plan else { return Self.patienceWithoutRate }
    let bytes = fetches.values.reduce(0.0) { sum, fetch in
      fetch.node == slow ? sum + Double(plan.pieces[fetch.piece].range.count) : sum
    }
    return 2 * bytes / rate + Self.lead
  }
}

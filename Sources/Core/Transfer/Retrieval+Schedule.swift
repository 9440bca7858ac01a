import Primitives

/// Scheduling: which source is asked for which piece, and when another one is asked for it too.
extension Retrieval {
  /// How long the last bytes of the requested pieces may take before the next piece is requested: longer than any round
  /// trip, and short enough that a slow source does not hold pieces that others could send.
  private static let lead = 1.0
  /// Seconds that a source may need for its pieces before one with an unknown rate is asked.
  private static let patienceWithoutRate = 4.0
  /// How long a source may send nothing before another one is asked for the same piece: longer than a round trip and a
  /// disk that spins up.
  private static let muteTime: Duration = .milliseconds(1_500)
  /// How long after another source was asked for a late piece until twice as many more are asked. So a source that
  /// sends is soon found among many that do not.
  private static let racePeriod: Duration = .milliseconds(250)
  /// Most sources that are asked for one piece.
  private static let maximumHolders = 32

  /// Requests pieces from each source until it has enough to do, starting with `preferred` and then the fastest.
  mutating func schedule(
    _ id: DownloadID, preferring preferred: NodeID? = nil, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard downloads[id]?.fetching != nil else { return }
    var isProgressing = true
    while isProgressing, downloads[id]?.fetching?.missing.isEmpty == false {
      isProgressing = false
      for node in sourcesByRate(of: id, preferring: preferred, at: now) where wantsMore(node, at: now) {
        guard let piece = takePiece(for: node, of: id, out) else { continue }
        fetch(piece, from: node, of: id, isSpare: false, &out, at: now)
        isProgressing = true
      }
    }
    let hasIdleSource = hasIdleSource(id)
    _ = downloads[id]?.change { $0.checksAt = hasIdleSource ? now + TransferEngine.slownessCheck : nil }
    noteWhatIsMissing(at: now)
  }

  private mutating func fetch(
    _ piece: Int, from node: NodeID, of id: DownloadID, isSpare: Bool, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let source = sources[node]?.source else { return }
    if downloads[id]?.fetching?.outstanding(from: node) == 0 { sources[node]?.begin(at: now) }
    let fetch = FetchID(number: out.newNumber())
    let order = downloads[id]?.change { fetching in
      let kept = isSpare ? 0 : fetching.kept(of: piece)
      fetching.fetches[fetch] = Fetching.Fetch(
        piece: piece, node: node, isSpare: isSpare, begunAt: now, received: kept)
      return PieceFetch(
        id: fetch, piece: fetching.plan.pieces[piece], source: source, kept: kept, isSpare: isSpare)
    }
    guard let order else { return }
    out.downloadOfFetch[fetch] = id
    out.emit(.fetch(order, id))
  }

  // MARK: Races

  /// Asks idle sources for pieces that others are late with. The first complete copy counts.
  mutating func race(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    for piece in downloads[id]?.fetching?.piecesUnderway ?? [] {
      let idle = sources(of: id).filter { source in
        isIdle(source.node, in: id) && gives(source.source, piece, of: id, out.manifestThreshold)
          && isLate(piece, of: id, insteadOf: source.node, at: now)
      }.map { (node: $0.node, rank: rank(ofSpare: $0, for: piece, of: id, at: now)) }
        .sorted { ($0.rank, $0.node) < ($1.rank, $1.node) }.map(\.node)
      guard !idle.isEmpty else { continue }
      let holders = downloads[id]?.fetching?.holders(of: piece).count ?? 0
      let more = holders == 1 ? 1 : 2 * holders
      for node in idle.prefix(max(0, min(more, Self.maximumHolders - holders))) {
        fetch(piece, from: node, of: id, isSpare: true, &out, at: now)
      }
      _ = downloads[id]?.change { $0.racedAt[piece] = now }
    }
    schedule(id, &out, at: now)
  }

  /// Whether all sources that were asked for the piece need much longer for the rest than the idle source for all of
  /// it.
  private func isLate(_ piece: Int, of id: DownloadID, insteadOf idle: NodeID, at now: Instant) -> Bool {
    guard let fetching = downloads[id]?.fetching else { return false }
    let holders = fetching.holders(of: piece)
    guard let racedAt = fetching.racedAt[piece] else {
      return holders.allSatisfy { isSlow($0.node, in: id, insteadOf: idle, at: now) ?? false }
    }
    guard now - racedAt >= Self.racePeriod else { return false }
    return holders.allSatisfy { isSlow($0.node, in: id, insteadOf: idle, at: now) ?? true }
  }

  /// Ranks the sources by the time that they should need; those that were asked before and sent nothing are last.
  private func rank(ofSpare source: SourceState, for piece: Int, of id: DownloadID, at now: Instant) -> Double {
    let rate = source.estimate(at: now)
    guard rate > 0, let range = downloads[id]?.plan?.pieces[piece].range else {
      return rate < 0 ? .infinity : Self.patienceWithoutRate / 2
    }
    return Double(range.count) / rate
  }

  /// Nil if the source's rate is unknown.
  private func isSlow(_ node: NodeID, in id: DownloadID, insteadOf idle: NodeID, at now: Instant) -> Bool? {
    if let heard = sources[node]?.heardAt, now - heard >= Self.muteTime { return true }
    guard let timeLeft = timeLeft(for: node, in: id, at: now) else { return nil }
    return timeLeft > patience(with: node, in: id, insteadOf: idle, at: now)
  }

  /// Seconds that a slow source may need before the idle source `other` is asked: twice the time that `other` would
  /// need for the same pieces, so that two sources of similar speed do not take them from each other.
  private func patience(with slow: NodeID, in id: DownloadID, insteadOf other: NodeID, at now: Instant) -> Double {
    guard let rate = sources[other]?.estimate(at: now), rate > 0, let fetching = downloads[id]?.fetching else {
      return Self.patienceWithoutRate
    }
    let bytes = fetching.fetches.values.reduce(0.0) { sum, fetch in
      fetch.node == slow ? sum + Double(fetching.plan.pieces[fetch.piece].range.count) : sum
    }
    return 2 * bytes / rate + Self.lead
  }

  // MARK: Sources

  /// The fastest first, then those with an unknown rate, then those that have sent nothing; always in the same order.
  private func sourcesByRate(of id: DownloadID, preferring preferred: NodeID? = nil, at now: Instant) -> [NodeID] {
    let known = sources(of: id).map { source in
      (source.node, source.node == preferred ? .infinity : source.estimate(at: now))
    }
    return known.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 > $1.1 }.map(\.0)
  }

  /// Whether the source should be asked for another piece now.
  func wantsMore(_ node: NodeID, at now: Instant) -> Bool {
    guard let source = sources[node], let id = source.download, !source.isResting, !source.isExhausted else {
      return false
    }
    let count = downloads[id]?.fetching?.outstanding(from: node) ?? 0
    guard count > 0 else { return true }
    let timeLeft = timeLeft(for: node, in: id, at: now)
    if count < source.room { return timeLeft.map { $0 < Self.lead } ?? true }
    guard count < TransferEngine.piecesAhead, let timeLeft else { return false }
    return timeLeft < Self.lead
  }

  /// The source's lanes are idle: requests another piece from it, even if its rate is unknown.
  mutating func hasRoom(_ node: NodeID, in id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard sources[node]?.download == id, let count = downloads[id]?.fetching?.outstanding(from: node),
      count < TransferEngine.mostPiecesAhead
    else { return }
    sources[node]?.room = count + 1
    schedule(id, &out, at: now)
    sources[node]?.room = 0
  }

  private func hasIdleSource(_ id: DownloadID) -> Bool {
    downloads[id]?.fetching?.fetches.isEmpty == false && sources(of: id).contains { isIdle($0.node, in: id) }
  }

  /// Whether the source has nothing to do and may be asked.
  private func isIdle(_ node: NodeID, in id: DownloadID) -> Bool {
    guard let source = sources[node], source.download == id, !source.isResting else { return false }
    return downloads[id]?.fetching?.outstanding(from: node) == 0
  }

  /// Seconds until the source has sent all requested pieces; nil if its rate is unknown.
  private func timeLeft(for node: NodeID, in id: DownloadID, at now: Instant) -> Double? {
    guard let rate = sources[node]?.rate.bytesPerSecond(at: now) else { return nil }
    return downloads[id]?.fetching.map { $0.bytesLeft(at: node) / rate }
  }
}

import Primitives

/// How long the sources of a download will need for what they are asked for, and which of them are late.
struct SourcePace {
  /// Seconds that the last bytes of the pieces at hand may take before the next piece is asked for: longer than any round
  /// trip, and short enough that a slow source does not hold pieces that others could give.
  static let lead = 1.0
  /// Seconds that a source may need for what it has been asked for before one is asked of which nothing is known.
  private static let patienceWithoutRate = 4.0
  /// How long a source may give nothing before another one is asked for the same: longer than a round trip and a disk that
  /// wakes up.
  private static let muteTime: Duration = .milliseconds(1_500)
  /// After a late piece was asked of another, how long until it is asked of twice as many more as were asked before. So the
  /// one that gives is soon found among many that do not.
  private static let racePeriod: Duration = .milliseconds(250)

  let fetching: Fetching
  let sources: [NodeID: SourceState]
  let now: Instant

  /// Seconds until the source has given everything that it was asked for; nil if its rate is unknown.
  func timeLeft(for source: SourceState) -> Double? {
    source.rate.bytesPerSecond(at: now).map { fetching.bytesLeft(at: source.node) / $0 }
  }

  /// Whether all that were asked for the piece will need much longer for it than the idle source would from the beginning.
  func isLate(_ piece: Int, insteadOf idle: SourceState) -> Bool {
    let holders = fetching.holders(of: piece)
    guard let racedAt = fetching.racedAt[piece] else {
      return holders.allSatisfy { isSlow($0.node, insteadOf: idle) ?? false }
    }
    guard now - racedAt >= Self.racePeriod else { return false }
    return holders.allSatisfy { isSlow($0.node, insteadOf: idle) ?? true }
  }

  /// Sources that should need the least time come first, and at the end those that were asked before and gave nothing.
  func rank(ofSpare source: SourceState, for piece: Int) -> Double {
    let rate = source.estimate(at: now)
    guard rate > 0 else { return rate < 0 ? .infinity : Self.patienceWithoutRate / 2 }
    return Double(fetching.plan.pieces[piece].range.count) / rate
  }

  /// Nil if nothing is known of the source's rate.
  private func isSlow(_ node: NodeID, insteadOf idle: SourceState) -> Bool? {
    guard let source = sources[node] else { return nil }
    if let heard = source.heardAt, now - heard >= Self.muteTime { return true }
    return timeLeft(for: source).map { $0 > patience(with: node, insteadOf: idle) }
  }

  /// Seconds that a slow source may need before `other`, which has nothing to do, is asked: twice what that one would need
  /// for the same pieces, so that two of like speed do not take them from each other.
  private func patience(with slow: NodeID, insteadOf other: SourceState) -> Double {
    let rate = other.estimate(at: now)
    guard rate > 0 else { return Self.patienceWithoutRate }
    let bytes = fetching.fetches.values.reduce(0.0) { sum, fetch in
      fetch.node == slow ? sum + Double(fetching.plan.pieces[fetch.piece].range.count) : sum
    }
    return 2 * bytes / rate + Self.lead
  }
}

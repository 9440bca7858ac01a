import Primitives

/// How long the sources of a download need for their pieces, and which of them are late.
struct SourcePace {
  /// Seconds that the last bytes of the requested pieces may take before the next piece is requested: longer than any
  /// round trip, and short enough that a slow source does not hold pieces that others could send.
  static let lead = 1.0
  /// Seconds that a source may need for its pieces before one with an unknown rate is asked.
  private static let patienceWithoutRate = 4.0
  /// How long a source may send nothing before another one is asked for the same piece: longer than a round trip and a
  /// disk that spins up.
  private static let muteTime: Duration = .milliseconds(1_500)
  /// How long after another source was asked for a late piece until twice as many more are asked. So a source that
  /// sends is soon found among many that do not.
  private static let racePeriod: Duration = .milliseconds(250)

  let fetching: Fetching
  let sources: [NodeID: SourceState]
  let now: Instant

  /// Seconds until the source has sent all requested pieces; nil if its rate is unknown.
  func timeLeft(for source: SourceState) -> Double? {
    source.rate.bytesPerSecond(at: now).map { fetching.bytesLeft(at: source.node) / $0 }
  }

  /// Whether all sources that were asked for the piece need much longer for the rest than the idle source for all of
  /// it.
  func isLate(_ piece: Int, insteadOf idle: SourceState) -> Bool {
    let holders = fetching.holders(of: piece)
    guard let racedAt = fetching.racedAt[piece] else {
      return holders.allSatisfy { isSlow($0.node, insteadOf: idle) ?? false }
    }
    guard now - racedAt >= Self.racePeriod else { return false }
    return holders.allSatisfy { isSlow($0.node, insteadOf: idle) ?? true }
  }

  /// Ranks the sources by the time that they should need; those that were asked before and sent nothing are last.
  func rank(ofSpare source: SourceState, for piece: Int) -> Double {
    let rate = source.estimate(at: now)
    guard rate > 0 else { return rate < 0 ? .infinity : Self.patienceWithoutRate / 2 }
    return Double(fetching.plan.pieces[piece].range.count) / rate
  }

  /// Nil if the source's rate is unknown.
  private func isSlow(_ node: NodeID, insteadOf idle: SourceState) -> Bool? {
    guard let source = sources[node] else { return nil }
    if let heard = source.heardAt, now - heard >= Self.muteTime { return true }
    return timeLeft(for: source).map { $0 > patience(with: node, insteadOf: idle) }
  }

  /// Seconds that a slow source may need before the idle source `other` is asked: twice the time that `other` would
  /// need for the same pieces, so that two sources of similar speed do not take them from each other.
  private func patience(with slow: NodeID, insteadOf other: SourceState) -> Double {
    let rate = other.estimate(at: now)
    guard rate > 0 else { return Self.patienceWithoutRate }
    let bytes = fetching.fetches.values.reduce(0.0) { sum, fetch in
      fetch.node == slow ? sum + Double(fetching.plan.pieces[fetch.piece].range.count) : sum
    }
    return 2 * bytes / rate + Self.lead
  }
}

import Primitives

/// How fast a total grows, from its values at several moments.
struct RecentRate {
  /// The time over which the rate is taken.
  static let period: Duration = .seconds(3)

  private var values = Queue<(total: UInt64, time: Instant)>()
  private var last: (total: UInt64, time: Instant)?

  /// Takes in the total at a moment, and returns how much a second it has grown by lately.
  ///
  /// The first total says nothing: of a load that continues an earlier one, much is here already.
  mutating func rate(with total: UInt64, at now: Instant) -> Double {
    if let last, total < last.total { values = Queue() }
    values.append((total, now))
    last = (total, now)
    // One value from before the period stays, or there would be nothing to compare with after a pause.
    while values.count > 2, let first = values.first, now - first.time > Self.period { values.removeFirst(1) }
    guard let first = values.first, now > first.time else { return 0 }
    return Double(total - first.total) / ((now - first.time) / .seconds(1))
  }
}

/// The rates of several totals, by their names.
struct RecentRates {
  private var rates: [ByteString: RecentRate] = [:]

  /// Takes in the totals at a moment, and forgets those that are not among them.
  ///
  /// - Returns: how much a second each has grown by lately, in the same order.
  mutating func take(_ totals: [(name: String, total: UInt64)], at now: Instant) -> [Double] {
    var next: [ByteString: RecentRate] = [:]
    let result = totals.map { name, total in
      var rate = rates[ByteString(name)] ?? RecentRate()
      let value = rate.rate(with: total, at: now)
      next[ByteString(name)] = rate
      return value
    }
    rates = next
    return result
  }
}

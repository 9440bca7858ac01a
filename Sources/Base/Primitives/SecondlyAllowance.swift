/// Admits a number of events in each second.
package struct SecondlyAllowance: Sendable {
  private let limit: Int
  private var begunAt: Instant?
  private var used = 0

  package init(limit: Int) { self.limit = limit }

  /// Whether no further event is admitted in the second of the last one.
  package var isUsedUp: Bool { used >= limit }

  /// Whether one more event is admitted; if so, counts it.
  @discardableResult
  package mutating func take(at now: Instant) -> Bool {
    if begunAt.map({ now - $0 >= .seconds(1) }) ?? true {
      begunAt = now
      used = 0
    }
    guard used < limit else { return false }
    used += 1
    return true
  }
}

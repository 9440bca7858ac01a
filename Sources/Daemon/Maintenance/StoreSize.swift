import ContentStore
import EventLoop
import Primitives

/// How much is in the store, for the metrics. Counting walks through the whole directory, so it is done when it is asked
/// for, but rarely, and the askers get the last result. Bound to the loop.
final class StoreSize {
  /// The least time between two counts.
  private static let period: Duration = .seconds(15 * 60)
  /// A count may take this part of the time.
  private static let part = 200

  private let loop: EventLoop
  private let count: @Sendable () throws(KacheryError) -> StoreUsage
  private var usage: StoreUsage?
  private var nextAt: Instant?
  private var isCounting = false

  /// - Parameter count: walks through the store; called on a thread of the pool.
  init(loop: EventLoop, count: @escaping @Sendable () throws(KacheryError) -> StoreUsage) {
    self.loop = loop
    self.count = count
  }

  /// The result of the last count; nil before the first has ended. A count begins if it is due.
  func latest(at now: Instant) -> StoreUsage? {
    if !isCounting, nextAt.map({ now >= $0 }) ?? true { begin(at: now) }
    return usage
  }

  private func begin(at now: Instant) {
    isCounting = true
    loop.work { [count] in
      Result { () throws(KacheryError) in try count() }
    } then: { [self] result in
      isCounting = false
      // An old result misleads less than none.
      if case .success(let usage) = result { self.usage = usage }
      nextAt = loop.now + max(Self.period, (loop.now - now) * Self.part)
    }
  }
}

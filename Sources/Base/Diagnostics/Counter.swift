import Synchronization

/// A thread-safe number: a count that only grows, or a gauge.
package final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  package init() {}

  /// Adds `amount`; negative to lower a gauge.
  package func add(_ amount: Int = 1) { value.wrappingAdd(amount, ordering: .relaxed) }

  package var current: Int { value.load(ordering: .relaxed) }
}

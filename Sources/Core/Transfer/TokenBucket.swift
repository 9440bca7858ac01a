package import Primitives

/// Limits bytes to a rate: a caller that wants to move some learns how long to wait first.
///
/// A quarter of a second's worth may pass immediately. A caller that takes more than is available puts the bucket into
/// debt, for which the next caller waits as well; so all get their turns in the order of their calls.
package struct TokenBucket: Sendable {
  private static let burst = 0.25

  private var available: Double
  private var updatedAt: Instant

  /// A full bucket. `rate` is in bytes per second.
  package init(rate: Double, at now: Instant) {
    available = rate * Self.burst
    updatedAt = now
  }

  /// How long to wait before `count` bytes may pass at `rate` bytes per second, which may have changed.
  package mutating func delay(for count: Int, rate: Double, at now: Instant) -> Duration {
    available = min(rate * Self.burst, available + (now - updatedAt).inSeconds * rate)
    updatedAt = now
    available -= Double(count)
    return available >= 0 ? .zero : .milliseconds(Int((-available / rate * 1_000).rounded(.up)))
  }
}

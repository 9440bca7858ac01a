package import Primitives

/// Keeps bytes to a rate: whoever wants to move some is told how long to wait first.
///
/// A quarter of a second's worth may go at once. Whoever asks for more than there is goes into debt, which the next one
/// waits for as well; so all get their turns in the order in which they ask.
package struct TokenBucket: Sendable {
  private static let burst = 0.25

  private var available: Double
  private var updatedAt: Instant

  /// A full bucket. `rate` is in bytes a second.
  package init(rate: Double, at now: Instant) {
    available = rate * Self.burst
    updatedAt = now
  }

  /// How long to wait before so many bytes may move at `rate` bytes a second, which may have changed since.
  package mutating func delay(for count: Int, rate: Double, at now: Instant) -> Duration {
    available = min(rate * Self.burst, available + (now - updatedAt).inSeconds * rate)
    updatedAt = now
    available -= Double(count)
    return available >= 0 ? .zero : .milliseconds(Int((-available / rate * 1_000).rounded(.up)))
  }
}

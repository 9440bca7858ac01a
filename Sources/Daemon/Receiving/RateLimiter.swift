import EventLoop
import Primitives
import Transfer

/// Limits received bytes to the rate that the node's owner allows. Bound to the loop.
final class RateLimiter {
  let limit: RateLimit
  private let loop: EventLoop
  private var bucket: TokenBucket?

  init(_ limit: RateLimit, loop: EventLoop) {
    self.limit = limit
    self.loop = loop
  }

  /// Runs `body` once this many bytes may move: usually immediately.
  func pass(_ count: Int, _ body: @escaping () -> Void) {
    let delay = delay(for: count)
    if delay == .zero { body() } else { _ = loop.after(delay, body) }
  }

  private func delay(for count: Int) -> Duration {
    guard let rate = limit.rate else { return .zero }
    var bucket = bucket ?? TokenBucket(rate: rate, at: loop.now)
    defer { self.bucket = bucket }
    return bucket.delay(for: count, rate: rate, at: loop.now)
  }
}

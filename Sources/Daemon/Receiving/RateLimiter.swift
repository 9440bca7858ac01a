import EventLoop
import Primitives
import Transfer

/// Keeps what a node takes in to the rate that its owner allows. Bound to the loop.
final class RateLimiter {
  let limit: RateLimit
  private let loop: EventLoop
  private var bucket: TokenBucket?

  init(_ limit: RateLimit, loop: EventLoop) {
    self.limit = limit
    self.loop = loop
  }

  /// Goes on with `body` once so many bytes may move: mostly at once.
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

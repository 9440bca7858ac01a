import EventLoop
import Glibc
import Primitives
import Transfer

/// How fast bytes may be moved at this time of day. Bound to the loop.
final class RateLimit {
  /// Nil for no limit.
  var schedule: RateSchedule?

  init(_ schedule: RateSchedule?) { self.schedule = schedule }

  /// In bytes a second; nil for no limit.
  var rate: Double? { schedule.flatMap { $0.rate(atMinute: Self.minuteOfDay) } }

  private static var minuteOfDay: Int {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    return Int(parts.tm_hour) * 60 + Int(parts.tm_min)
  }
}

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

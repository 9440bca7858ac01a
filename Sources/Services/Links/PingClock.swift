import Primitives

/// Measures the round trip of a path by pings and their answers.
struct PingClock {
  /// The time from the last ping to its answer.
  private(set) var roundTripTime: Duration?
  /// The shortest of the last `kept` round trips.
  var shortest: Duration? { latest.min() }

  /// The shortest round trip so far. A busy machine answers late, but that does not make the path longer.
  private(set) var minimum: Duration?

  private static let kept = 8
  private var latest: [Duration] = []
  private var oldest: (value: UInt32, sentAt: Instant)?

  /// A ping with this value is sent. Pings sent before the answer to an earlier one are not measured.
  mutating func sent(_ value: UInt32, at now: Instant) {
    if oldest == nil { oldest = (value, now) }
  }

  /// The peer has answered the ping with this value.
  mutating func answered(_ value: UInt32, at now: Instant) {
    guard let ping = oldest, ping.value == value else { return }
    let time = now - ping.sentAt
    roundTripTime = time
    minimum = min(minimum ?? time, time)
    latest = latest.suffix(Self.kept - 1) + [time]
    oldest = nil
  }
}

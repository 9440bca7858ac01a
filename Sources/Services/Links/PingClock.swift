import Primitives

/// Measures the round trip of a path by pings and their answers.
struct PingClock {
  /// The shortest round trip so far: the length of the path. A busy machine answers late, but that does not make the path
  /// longer.
  private(set) var roundTripTime: Duration?
  /// The shortest of the last `kept` round trips.
  var shortest: Duration? { latest.min() }

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
    roundTripTime = min(roundTripTime ?? time, time)
    latest = latest.suffix(Self.kept - 1) + [time]
    oldest = nil
  }
}

import Primitives

/// When the peer of a link was last heard, and whether it has been silent for so long that it counts as gone.
struct LinkClock {
  /// How often a sign of life is asked for, and looked for.
  static let pingPeriod: Duration = .seconds(3)
  /// How long the other side may be silent before it counts as gone. It is noticed a period later at most: within 15 s.
  static let silence: Duration = .seconds(12)

  /// The time from the last ping to its answer.
  private(set) var roundTripTime: Duration?
  private var heardAt: Instant
  private var checkedAt: Instant
  private var pingSent: (value: UInt32, at: Instant)?

  /// The clock of a link that opens now.
  init(at now: Instant) {
    heardAt = now
    checkedAt = now
  }

  /// Bytes have arrived.
  mutating func heard(at now: Instant) { heardAt = now }

  /// Looks for a sign of life; to be called once a period.
  ///
  /// - Returns: how long the peer has been silent, if it counts as gone.
  mutating func check(at now: Instant) -> Duration? {
    // While this process itself stood still it could hear nothing: what arrived meanwhile has not been read yet.
    let late = now - checkedAt - Self.pingPeriod
    if late > Self.pingPeriod { heardAt = heardAt + late }
    checkedAt = now
    let silent = now - heardAt
    return silent < Self.silence ? nil : silent
  }

  /// A ping with this value is sent. While an answer is due, the time counts from the first.
  mutating func pinged(_ value: UInt32, at now: Instant) {
    if pingSent == nil { pingSent = (value, now) }
  }

  /// A ping with this value has been answered.
  mutating func answered(_ value: UInt32, at now: Instant) {
    guard let sent = pingSent, sent.value == value else { return }
    roundTripTime = now - sent.at
    pingSent = nil
  }
}

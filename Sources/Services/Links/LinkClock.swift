import Primitives

/// When the peer of a link was last heard, and whether it has been silent for so long that it counts as gone.
struct LinkClock {
  /// The time between two pings, and between two checks.
  static let pingPeriod: Duration = .seconds(3)
  /// How long the peer may be silent before it counts as gone. A check notices it a period later at most: within 15 s.
  static let silence: Duration = .seconds(12)

  private var heardAt: Instant
  private var checkedAt: Instant

  /// The clock of a link that opens now.
  init(at now: Instant) {
    heardAt = now
    checkedAt = now
  }

  /// Bytes arrived at this time.
  mutating func heard(at time: Instant) { heardAt = max(heardAt, time) }

  /// Looks for a sign of life; called once a period.
  ///
  /// - Returns: how long the peer has been silent, if it counts as gone.
  mutating func check(at now: Instant) -> Duration? {
    // A process that was suspended could hear nothing, and has not yet read what arrived meanwhile.
    let late = now - checkedAt - Self.pingPeriod
    if late > Self.pingPeriod { heardAt = heardAt + late }
    checkedAt = now
    let silent = now - heardAt
    return silent < Self.silence ? nil : silent
  }
}

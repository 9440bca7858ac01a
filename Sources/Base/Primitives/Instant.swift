/// A point on a monotonic clock; its zero has no meaning outside the process.
package struct Instant: Hashable, Comparable, Sendable {
  /// Nanoseconds since the clock's zero.
  package let nanoseconds: UInt64

  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  /// The instant `duration` later, saturating; a negative duration counts as zero.
  package static func + (instant: Instant, duration: Duration) -> Instant {
    let (sum, isTooLate) = instant.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    return Instant(nanoseconds: isTooLate ? .max : sum)
  }

  /// The time from `earlier` to `later`; zero if `earlier` is not earlier.
  package static func - (later: Instant, earlier: Instant) -> Duration {
    guard later > earlier else { return .zero }
    return .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds))
  }
}

extension Duration {
  /// The duration in whole nanoseconds, saturating; a negative duration counts as zero.
  package var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (whole, isTooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isTooLongAtLast) = whole.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
    return isTooLong || isTooLongAtLast ? .max : sum
  }

  /// The duration in whole milliseconds; a negative duration counts as zero.
  package var wholeMilliseconds: UInt64 { wholeNanoseconds / 1_000_000 }

  /// The duration in seconds, for rates and messages.
  package var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

/// A point in civil time, in milliseconds since 1970-01-01T00:00:00Z, for values that nodes sign and compare across
/// machines.
package struct WallTime: Hashable, Comparable, Sendable {
  package let milliseconds: UInt64

  package init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  /// The time of a system's clock. A clock before 1970 counts as 1970.
  package init(seconds: Int, nanoseconds: Int) {
    let (whole, isTooLate) = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000)
    let part = UInt64(clamping: seconds < 0 ? 0 : nanoseconds / 1_000_000)
    let (sum, isTooLateAtLast) = whole.addingReportingOverflow(part)
    milliseconds = isTooLate || isTooLateAtLast ? .max : sum
  }

  package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

  /// The time `duration` later, saturating; a negative duration counts as zero.
  package static func + (time: WallTime, duration: Duration) -> WallTime {
    let (sum, isTooLate) = time.milliseconds.addingReportingOverflow(duration.wholeMilliseconds)
    return WallTime(milliseconds: isTooLate ? .max : sum)
  }
}

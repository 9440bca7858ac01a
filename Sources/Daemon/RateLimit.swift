import Process
import Transfer

/// How fast bytes may be moved at this time of day. Bound to the loop.
final class RateLimit {
  /// Nil for no limit.
  var schedule: RateSchedule?

  init(_ schedule: RateSchedule?) { self.schedule = schedule }

  /// In bytes a second; nil for no limit.
  var rate: Double? { schedule.flatMap { $0.rate(atMinute: CalendarTime.local.minuteOfDay) } }
}

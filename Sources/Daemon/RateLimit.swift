import Primitives
import Process

/// The transfer rate at this time of day. Bound to the loop.
final class RateLimit {
  /// Nil for no limit.
  var schedule: RateSchedule?

  init(_ schedule: RateSchedule?) { self.schedule = schedule }

  /// Bytes per second; nil for no limit.
  var rate: Double? { schedule.flatMap { $0.rate(atMinute: CalendarTime.local.minuteOfDay) } }
}

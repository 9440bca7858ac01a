import Glibc
package import Primitives

extension WallTime {
  /// The current time of the system's clock.
  package static var now: WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }
}

/// A date and a time of day.
package struct CalendarTime: Hashable, Sendable {
  package let year: Int
  /// From 1 to 12.
  package let month: Int
  package let day: Int
  package let hour: Int
  package let minute: Int
  package let second: Int

  private init(_ parts: tm) {
    year = Int(parts.tm_year) + 1_900
    month = Int(parts.tm_mon) + 1
    day = Int(parts.tm_mday)
    hour = Int(parts.tm_hour)
    minute = Int(parts.tm_min)
    second = Int(parts.tm_sec)
  }

  /// The current time in this machine's time zone.
  package static var local: CalendarTime {
    var (now, parts) = (time(nil), tm())
    localtime_r(&now, &parts)
    return CalendarTime(parts)
  }

  /// The time in UTC.
  package static func utc(_ time: WallTime) -> CalendarTime {
    var (seconds, parts) = (time_t(clamping: time.milliseconds / 1_000), tm())
    gmtime_r(&seconds, &parts)
    return CalendarTime(parts)
  }

  /// Minutes since midnight.
  package var minuteOfDay: Int { hour * 60 + minute }
}

/// A monotonic clock, for durations.
package enum SteadyClock {
  /// Seconds since an arbitrary moment.
  package static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Blocks this thread.
  package static func sleep(for duration: Duration) {
    let (seconds, attoseconds) = max(.zero, duration).components
    var wanted = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var rest = timespec()
    while nanosleep(&wanted, &rest) != 0, errno == EINTR { wanted = rest }
  }
}

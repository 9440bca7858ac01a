package import Primitives
import Synchronization

/// Bounds what each place in the program adds to a log: other nodes cause lines by what they do, any number of times.
/// Thread-safe.
package final class LogLimit: Sendable {
  /// A call that writes a line.
  struct Place: Hashable {
    let file: String
    let line: UInt
  }

  /// What becomes of a line.
  enum Admission: Equatable {
    /// It is written, and reports how many were left out since the last one.
    case written(leftOut: Int)
    /// It is written, and further ones of its place are left out for a while.
    case writtenAsLast
    case leftOut
  }

  private struct Window {
    let start: Instant
    var lines = 0
    var leftOut = 0
  }

  private let lines: Int
  private let period: Duration
  private let now: @Sendable () -> Instant
  private let windows = Mutex<[Place: Window]>([:])

  /// - Parameters:
  ///   - lines: most lines of one place in a period.
  ///   - now: the monotonic clock.
  package init(lines: Int = 50, period: Duration = .seconds(600), now: @escaping @Sendable () -> Instant) {
    self.lines = lines
    self.period = period
    self.now = now
  }

  func admit(_ place: Place) -> Admission {
    let now = now()
    return windows.withLock { windows in
      var window = windows[place] ?? Window(start: now)
      let leftOut = window.leftOut
      if now - window.start >= period { window = Window(start: now) }
      defer { windows[place] = window }
      guard window.lines < lines else {
        window.leftOut += 1
        return .leftOut
      }
      window.lines += 1
      if window.lines == lines { return .writtenAsLast }
      return .written(leftOut: window.lines == 1 ? leftOut : 0)
    }
  }
}

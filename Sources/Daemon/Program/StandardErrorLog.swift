import Diagnostics
import Files
import Primitives
import Process
import Synchronization

/// The log of a daemon in a terminal or under a service manager: one line per message, on standard error, and in a file
/// once that is closed.
enum StandardErrorLog {
  /// Most characters of a message: what others send may be long.
  private static let longestMessage = 2_000

  private static let file = Mutex<LogFile?>(nil)

  /// Whether the journal takes each line with the level before it, in place of the level's name.
  private static let isJournal = Journal.receives(FileStream.standardError.descriptor, Environment.all)

  /// Names the file in which the log continues if standard error can no longer be written to.
  static func `continue`(in next: LogFile) {
    next.setAside()
    file.withLock { $0 = next }
  }

  static func write(_ level: Log.Level, _ message: String) {
    let now = CalendarTime.local
    let clock = "\(padded(now.hour, 2)):\(padded(now.minute, 2)):\(padded(now.second, 2))"
    output(level, "\(clock) \(name(of: level))\(shown(message))\n")
  }

  /// Writes a message as a JSON object on one line: `{"time", "level", "message"}`, the time in UTC (RFC 3339).
  static func writeJSON(_ level: Log.Level, _ message: String) {
    let wall = WallTime.now
    let now = CalendarTime.utc(wall)
    let date = "\(padded(now.year, 4))-\(padded(now.month, 2))-\(padded(now.day, 2))"
    let clock = "\(padded(now.hour, 2)):\(padded(now.minute, 2)):\(padded(now.second, 2))"
    let time = "\(date)T\(clock).\(padded(Int(wall.milliseconds % 1_000), 3))Z"
    let object: JSONValue = [
      "time": .string(time), "level": .string("\(level)"), "message": .string(shown(message)),
    ]
    output(level, object.compact + "\n")
  }

  private static func shown(_ message: String) -> String { String(message.printable.prefix(longestMessage)) }

  /// Writes text, ignoring failures: a broken log must not stop the daemon.
  private static func output(_ level: Log.Level, _ line: String) {
    let marked = isJournal ? priority(of: level) + line : line
    let isWritten = Array(marked.utf8).withUnsafeBytes { bytes in (try? FileStream.standardError.write(bytes)) != nil }
    guard !isWritten else { return }
    file.withLock { $0?.append(line, heading: "The terminal that showed the log is closed; it continues here.\n") }
  }

  /// The level as the journal takes it at the start of a line (sd-daemon(3)), and removes it.
  static func priority(of level: Log.Level) -> String {
    switch level {
    case .debug: "<7>"
    case .info: "<6>"
    case .warning: "<4>"
    case .error: "<3>"
    }
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func name(of level: Log.Level) -> String {
    switch level {
    case .debug: "debug: "
    case .info: ""
    case .warning: "warning: "
    case .error: "error: "
    }
  }
}

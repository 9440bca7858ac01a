import Diagnostics
import Files
import Primitives
import Process
import Synchronization

/// The log of a daemon in a terminal or under a service manager: one line per message, on standard error, in the journal
/// if that is the journal's, and in a file once it is closed.
enum StandardErrorLog {
  /// Most characters of a message: what others send may be long.
  private static let longestMessage = 2_000

  private static let file = Mutex<LogFile?>(nil)

  /// Whether the log goes to the journal. If that does not take an entry, it gets a line with the level before it
  /// (sd-daemon(3)).
  private static let isJournal = Journal.receives(FileStream.standardError.descriptor, Environment.all)

  /// Names the file in which the log continues if standard error can no longer be written to.
  static func `continue`(in next: LogFile) {
    next.setAside()
    file.withLock { $0 = next }
  }

  /// Writes a line: to the journal as an entry with fields, otherwise to standard error.
  static func write(_ entry: Log.Entry, asJSON isJSON: Bool = false) {
    let line = isJSON ? json(entry) : text(entry)
    guard isJournal else { return output(line) }
    // The journal has the time and the level of each entry.
    let message = isJSON ? line : shown(entry.message)
    guard !Journal.send(JournalEntry(entry, message: message)) else { return }
    output("<\(entry.level.priority)>\(line)")
  }

  private static func text(_ entry: Log.Entry) -> String {
    let now = CalendarTime.local
    let clock = "\(padded(now.hour, 2)):\(padded(now.minute, 2)):\(padded(now.second, 2))"
    return "\(clock) \(name(of: entry.level))\(shown(entry.message))"
  }

  /// A JSON object on one line: the time in UTC (RFC 3339), the level, the words, and the event and what it is about if
  /// there are such.
  static func json(_ entry: Log.Entry) -> String {
    let wall = WallTime.now
    let now = CalendarTime.utc(wall)
    let date = "\(padded(now.year, 4))-\(padded(now.month, 2))-\(padded(now.day, 2))"
    let clock = "\(padded(now.hour, 2)):\(padded(now.minute, 2)):\(padded(now.second, 2))"
    let time = "\(date)T\(clock).\(padded(Int(wall.milliseconds % 1_000), 3))Z"
    var object: JSONObject = [
      "time": .string(time), "level": .string("\(entry.level)"), "message": .string(shown(entry.message)),
    ]
    if let event = entry.event { object["event"] = .string("\(event)") }
    for subject in entry.subjects { object[ByteString(subject.name)] = .string(subject.text) }
    return JSONValue.object(object).compact
  }

  private static func shown(_ message: String) -> String { String(message.printable.prefix(longestMessage)) }

  /// Writes a line, ignoring failures: a broken log must not stop the daemon.
  private static func output(_ line: String) {
    let line = line + "\n"
    let isWritten = Array(line.utf8).withUnsafeBytes { bytes in (try? FileStream.standardError.write(bytes)) != nil }
    guard !isWritten else { return }
    file.withLock { $0?.append(line, heading: "The terminal that showed the log is closed; it continues here.\n") }
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

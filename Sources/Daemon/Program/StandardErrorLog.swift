import Diagnostics
import Glibc
import Primitives

/// The log of a daemon that runs in a terminal or under a service manager: a line each on standard error.
enum StandardErrorLog {
  static func write(_ level: Log.Level, _ message: String) {
    var time = Glibc.time(nil)
    var parts = tm()
    localtime_r(&time, &parts)
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    // Messages may quote what strangers sent: no control character of theirs reaches the terminal.
    let clean = String(message.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    let line = Array("\(clock) \(name(of: level))\(clean)\n".utf8)
    // A log that nobody takes any more is no reason to stop.
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// A line as a JSON object: `{"time", "level", "message"}`, the time in UTC (RFC 3339).
  static func writeJSON(_ level: Log.Level, _ message: String) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    func padded(_ number: some BinaryInteger, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(parts.tm_year + 1_900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    let time = "\(date)T\(clock).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    let object: JSONValue = ["time": .string(time), "level": .string("\(level)"), "message": .string(message)]
    let line = object.compactBytes + Array("\n".utf8)
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
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

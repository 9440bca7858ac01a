/// The log of a module. It is passed in, never global, so that each node in a test has its own.
package struct Log: Sendable {
  /// The severity of a line.
  package enum Level: Int, Sendable, Comparable {
    case debug, info, warning, error

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  private let minimum: Level
  private let limit: LogLimit?
  private let sink: @Sendable (Level, String) -> Void

  /// A log that passes each line at or above `minimum` to `sink`.
  ///
  /// - Parameter limit: bounds the lines above `debug`; nil for none.
  package init(minimum: Level, limit: LogLimit? = nil, sink: @escaping @Sendable (Level, String) -> Void) {
    self.minimum = minimum
    self.limit = limit
    self.sink = sink
  }

  /// A log that drops everything.
  package static let disabled = Log(minimum: .error) { _, _ in }

  /// Details for developers.
  package func debug(_ message: @autoclosure () -> String) { write(.debug, message) }
  /// Normal events that interest the operator of the daemon.
  package func info(_ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line) {
    write(.info, message, file, line)
  }
  /// A failure that the program handled.
  package func warning(_ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line) {
    write(.warning, message, file, line)
  }
  /// A failure that needs attention.
  package func error(_ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line) {
    write(.error, message, file, line)
  }

  private func write(_ level: Level, _ message: () -> String) {
    if level >= minimum { sink(level, message()) }
  }

  private func write(_ level: Level, _ message: () -> String, _ file: StaticString, _ line: UInt) {
    guard level >= minimum else { return }
    switch limit?.admit(LogLimit.Place(file: "\(file)", line: line)) {
    case .leftOut: break
    case .writtenAsLast: sink(level, message() + " Further lines of this kind are left out for some minutes.")
    case .written(let count) where count > 0: sink(level, message() + " (\(count) lines of this kind were left out.)")
    case .written, nil: sink(level, message())
    }
  }
}

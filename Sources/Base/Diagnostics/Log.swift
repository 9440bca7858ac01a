/// The log of a module. It is passed in, never global, so that each node in a test has its own.
package struct Log: Sendable {
  /// The severity of a line.
  package enum Level: Int, Sendable, Comparable {
    case debug, info, warning, error

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  private let minimum: Level
  private let sink: @Sendable (Level, String) -> Void

  /// A log that passes each line at or above `minimum` to `sink`.
  package init(minimum: Level, sink: @escaping @Sendable (Level, String) -> Void) {
    self.minimum = minimum
    self.sink = sink
  }

  /// A log that drops everything.
  package static let disabled = Log(minimum: .error) { _, _ in }

  /// Details for developers.
  package func debug(_ message: @autoclosure () -> String) { write(.debug, message) }
  /// Normal events that interest the operator of the daemon.
  package func info(_ message: @autoclosure () -> String) { write(.info, message) }
  /// A failure that the program handled.
  package func warning(_ message: @autoclosure () -> String) { write(.warning, message) }
  /// A failure that needs attention.
  package func error(_ message: @autoclosure () -> String) { write(.error, message) }

  private func write(_ level: Level, _ message: () -> String) {
    if level >= minimum { sink(level, message()) }
  }
}

/// Where a module says what it does. Handed in, never global, so that each node of a test has its own.
package struct Log: Sendable {
  /// How much a line matters.
  package enum Level: Int, Sendable, Comparable {
    case debug, info, warning, error

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  private let minimum: Level
  private let sink: @Sendable (Level, String) -> Void

  /// A log that hands each line at or above `minimum` to `sink`.
  package init(minimum: Level, sink: @escaping @Sendable (Level, String) -> Void) {
    self.minimum = minimum
    self.sink = sink
  }

  /// A log that drops everything.
  package static let disabled = Log(minimum: .error) { _, _ in }

  /// What only the authors of the software want to know.
  package func debug(_ message: @autoclosure () -> String) { write(.debug, message) }
  /// What whoever runs the daemon wants to see of a day.
  package func info(_ message: @autoclosure () -> String) { write(.info, message) }
  /// What went wrong and was dealt with.
  package func warning(_ message: @autoclosure () -> String) { write(.warning, message) }
  /// What went wrong and needs somebody to act.
  package func error(_ message: @autoclosure () -> String) { write(.error, message) }

  private func write(_ level: Level, _ message: () -> String) {
    if level >= minimum { sink(level, message()) }
  }
}

/// The log of a module. It is passed in, never global, so that each node in a test has its own.
package struct Log: Sendable {
  /// The severity of a line.
  package enum Level: Int, Sendable, Comparable {
    case debug, info, warning, error

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  private let minimum: Level
  private let limit: LogLimit?
  private let sink: @Sendable (Entry) -> Void

  /// A log that passes each line at or above `minimum` to `sink`.
  ///
  /// - Parameter limit: bounds the lines above `debug`; nil for none.
  package init(minimum: Level, limit: LogLimit? = nil, entries sink: @escaping @Sendable (Entry) -> Void) {
    self.minimum = minimum
    self.limit = limit
    self.sink = sink
  }

  /// A log that passes on only the levels and the words.
  package init(minimum: Level, limit: LogLimit? = nil, sink: @escaping @Sendable (Level, String) -> Void) {
    self.init(minimum: minimum, limit: limit, entries: { sink($0.level, $0.message) })
  }

  /// A log that drops everything.
  package static let disabled = Log(minimum: .error) { _, _ in }

  /// Details for developers.
  package func debug(_ message: @autoclosure () -> String) {
    if .debug >= minimum { sink(Entry(.debug, message())) }
  }
  /// Normal events that interest the operator of the daemon.
  package func info(
    _ message: @autoclosure () -> String, _ event: Event? = nil, about subjects: [Subject] = [],
    file: StaticString = #fileID, line: UInt = #line
  ) {
    write(.info, message, event, subjects, LogLimit.Place(file: "\(file)", line: line))
  }
  /// A failure that the program handled.
  package func warning(
    _ message: @autoclosure () -> String, _ event: Event? = nil, about subjects: [Subject] = [],
    file: StaticString = #fileID, line: UInt = #line
  ) {
    write(.warning, message, event, subjects, LogLimit.Place(file: "\(file)", line: line))
  }
  /// A failure that needs attention.
  package func error(
    _ message: @autoclosure () -> String, _ event: Event? = nil, about subjects: [Subject] = [],
    file: StaticString = #fileID, line: UInt = #line
  ) {
    write(.error, message, event, subjects, LogLimit.Place(file: "\(file)", line: line))
  }

  private func write(
    _ level: Level, _ message: () -> String, _ event: Event?, _ subjects: [Subject], _ place: LogLimit.Place
  ) {
    guard level >= minimum else { return }
    let note: String
    switch limit?.admit(place) {
    case .leftOut: return
    case .writtenAsLast: note = " Further lines of this kind are left out for some minutes."
    case .written(let count) where count > 0: note = " (\(count) lines of this kind were left out.)"
    case .written, nil: note = ""
    }
    sink(Entry(level, message() + note, event, about: subjects, place: (place.file, place.line)))
  }
}

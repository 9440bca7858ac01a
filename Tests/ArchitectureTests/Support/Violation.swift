/// A place that breaks a house rule, with a reason that says what to do.
struct Violation: Equatable, CustomStringConvertible {
  let file: String
  /// Counted from 1; nil for the whole file.
  let line: Int?
  let reason: String

  var description: String { line.map { "\(file):\($0): \(reason)" } ?? "\(file): \(reason)" }
}

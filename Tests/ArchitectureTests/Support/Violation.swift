/// One place that breaks one rule of the house, in words that say what to do.
struct Violation: Equatable, CustomStringConvertible {
  let file: String
  /// Counted from 1; nil where the whole file is meant.
  let line: Int?
  let reason: String

  var description: String { line.map { "\(file):\($0): \(reason)" } ?? "\(file): \(reason)" }
}

/// Files stay small enough to read in one sitting.
enum SizeRule {
  /// The limit; most files should have half as many lines.
  static let maximum = 400
  /// A command's main file only chooses what to run.
  static let maximumForMain = 60

  static func violations(in file: SourceFile) -> [Violation] {
    let limit = file.layer == .commands && file.name == "main.swift" ? maximumForMain : maximum
    guard file.lines.count > limit else { return [] }
    return [
      Violation(file: file.path, line: nil, reason: "\(file.lines.count) lines; the limit is \(limit). Split it.")
    ]
  }
}

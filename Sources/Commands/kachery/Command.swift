import Primitives

/// One thing that the program does.
struct Command: Sendable {
  /// Its name below `kachery`: `load`, `channel join`.
  let name: String
  /// What may follow, for the line of usage.
  let usage: String
  /// One sentence: what it does.
  let summary: String
  /// More, where a sentence is not enough.
  var details = ""
  var options: [Option] = []
  /// Lines that can be typed as they stand.
  let examples: [String]
  let run: @Sendable (Arguments) throws(KacheryError) -> ExitCode

  /// Everything that `--help` says.
  func help(calledAs caller: String) -> String {
    var lines = ["Usage: \(caller)\(usage.isEmpty ? "" : " \(usage)")", "", summary]
    if !details.isEmpty { lines += ["", details] }
    let all = options + [Option("--help", nil, "show this")]
    let names = all.map { option in option.value.map { "\(option.name) \($0)" } ?? option.name }
    let column = (names.map(\.count).max() ?? 0) + 2
    lines += ["", "Options:"]
    for (option, shown) in zip(all, names) {
      lines.append("  \(shown)\(String(repeating: " ", count: column - shown.count))\(option.help)")
    }
    lines += ["", examples.count == 1 ? "Example:" : "Examples:"]
    lines += examples.map { "  \($0)" }
    lines += ["", ExitCode.explanation]
    return lines.joined(separator: "\n")
  }

  static let json = Option("--json", nil, "print the result as JSON")
  static let quiet = Option("--quiet", nil, "print nothing on standard error but errors")
}

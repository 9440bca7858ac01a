import Primitives

/// A command of the program.
struct Command: Sendable {
  /// Its name below `kachery`: `load`, `channel join`.
  let name: String
  /// The operands, for the usage line.
  let usage: String
  /// One sentence: what it does.
  let summary: String
  /// Further explanation, if one sentence is not enough.
  var details = ""
  var options: [Option] = []
  /// Command lines that can be typed verbatim.
  let examples: [String]
  let run: @Sendable (Arguments) throws(KacheryError) -> ExitCode

  /// The output of `--help`, wrapped to `width` columns. Examples are not wrapped, so that they can be typed verbatim.
  func help(calledAs caller: String, width: Int) -> String {
    var lines = Paragraph.lines("\(caller) \(usage)", width: width, first: "Usage: ", rest: "         ")
    lines += [""] + Paragraph.lines(summary, width: width)
    if !details.isEmpty { lines += [""] + Paragraph.lines(details, width: width) }
    lines += ["", "Options:"]
    let all = options.filter { !$0.isIgnored } + [Option("--help", nil, "show this help")]
    lines += Paragraph.list(all.map { (name: $0.synopsis, text: $0.help) }, width: width)
    if let ignored = ignoredOptions { lines += [""] + Paragraph.lines(ignored, width: width) }
    lines += ["", examples.count == 1 ? "Example:" : "Examples:"]
    lines += examples.map { "  \($0)" }
    lines += ["", ExitCode.explanation]
    return lines.joined(separator: "\n")
  }

  /// A sentence about the options that have no effect; nil if there are none.
  var ignoredOptions: String? {
    let ignored = options.filter(\.isIgnored).map(\.synopsis).joined(separator: ", ")
    return ignored.isEmpty ? nil : "Accepted for older scripts, but without effect: \(ignored)."
  }

  static let json = Option("--json", nil, "print the result as JSON")
  static let quiet = Option("--quiet", nil, "print only errors on standard error")
}

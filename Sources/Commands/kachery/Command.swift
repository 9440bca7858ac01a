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

  /// Everything that `--help` says, in lines of at most `width` columns; only examples, which can be typed as they stand,
  /// are never broken.
  func help(calledAs caller: String, width: Int) -> String {
    var lines = Paragraph.lines("\(caller) \(usage)", width: width, first: "Usage: ", rest: "         ")
    lines += [""] + Paragraph.lines(summary, width: width)
    if !details.isEmpty { lines += [""] + Paragraph.lines(details, width: width) }
    lines += ["", "Options:"]
    let all = options.filter { !$0.isIgnored } + [Option("--help", nil, "show this")]
    lines += Paragraph.list(all.map { (name: $0.synopsis, text: $0.help) }, width: width)
    if let ignored = ignoredOptions { lines += [""] + Paragraph.lines(ignored, width: width) }
    lines += ["", examples.count == 1 ? "Example:" : "Examples:"]
    lines += examples.map { "  \($0)" }
    lines += ["", ExitCode.explanation]
    return lines.joined(separator: "\n")
  }

  /// A sentence about the options that do nothing; nil where there is none.
  var ignoredOptions: String? {
    let ignored = options.filter(\.isIgnored).map(\.synopsis).joined(separator: ", ")
    return ignored.isEmpty ? nil : "Accepted because older scripts pass them, without effect: \(ignored)."
  }

  static let json = Option("--json", nil, "print the result as JSON")
  static let quiet = Option("--quiet", nil, "print nothing on standard error but errors")
}

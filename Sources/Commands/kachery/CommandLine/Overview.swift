/// The list of a program's commands, or of the commands that share a first word.
struct Overview {
  private let program: String
  private let sections: [(title: String, entries: [(name: String, text: String)])]

  static var ofEverything: Overview {
    Overview(
      program: "kachery",
      sections: Program.sections.map { title, commands in (title, commands.map { ($0.name, $0.summary) }) })
  }

  /// The commands whose names begin with this word; nil if there are none.
  init?(group: String) {
    let commands = Program.commands.filter { $0.name.begins(with: "\(group) ") }
    guard !commands.isEmpty else { return nil }
    self.init(
      program: "kachery \(group)",
      sections: [("", commands.map { (String($0.name.dropFirst(group.count + 1)), $0.summary) })])
  }

  /// A published program with subcommands.
  init(program: String, published: [String: String]) {
    let entries = published.sorted { $0.key < $1.key }.map { word, name in
      (name: word, text: Program.find(name)?.summary ?? "")
    }
    self.init(program: program, sections: [("", entries)])
  }

  private init(program: String, sections: [(title: String, entries: [(name: String, text: String)])]) {
    self.program = program
    self.sections = sections
  }

  /// Handles a missing or unknown command; returns the exit code.
  func answer(_ arguments: [String]) -> Int32 {
    guard let first = arguments.first else {
      Console.result(text)
      return ExitCode.wrongUsage.rawValue
    }
    switch first {
    case "help" where arguments.count > 1 && arguments[1] != "help":
      return Program.run(program.split(separator: " ").map(String.init) + arguments.dropFirst() + ["--help"])
    case "help", "--help", "-h":
      Console.result(text)
      return ExitCode.done.rawValue
    case "--version", "-V":
      return Program.run(Command.version, [], caller: "\(program) version")
    default:
      let known = sections.flatMap(\.entries).map(\.name)
      let meant = Suggestion.command(for: first, among: known).map { " Did you mean '\($0)'?" } ?? ""
      Console.error("\(program) has no command '\(first)'.\(meant)")
      Console.note("See \(program) --help.")
      return ExitCode.wrongUsage.rawValue
    }
  }

  private var text: String {
    let column = Paragraph.column(of: sections.flatMap(\.entries))
    var lines = ["kachery stores files by their content and shares them between labs.", ""]
    lines += ["Usage: \(program) COMMAND [OPTION…]"]
    for (title, entries) in sections {
      lines += title.isEmpty ? [""] : ["", "\(title):"]
      lines += Paragraph.list(entries, width: Console.pageWidth, column: column)
    }
    return (lines + ["", "Run \(program) COMMAND --help for details."]).joined(separator: "\n")
  }
}

import APIModel
import Primitives

extension Command {
  /// `kachery manual`
  static let manual = Command(
    name: "manual", usage: "", summary: "Prints the manual page, for man.",
    examples: ["kachery manual | man -l -"],
    run: { (_) throws(KacheryError) in
      Console.result(Manual(Program.commands, Program.programs).page)
      return .done
    })
}

/// The manual page in man(7) format, generated from the table of commands.
struct Manual {
  private let commands: [Command]
  private let programs: [String: String]

  init(_ commands: [Command], _ programs: [String: String]) {
    self.commands = commands
    self.programs = programs
  }

  var page: String {
    """
    .TH KACHERY 1 "" "kachery \(APIVersion.daemon)" "User commands"
    .SH NAME
    kachery \\- store files by their content and share them between labs
    .SH SYNOPSIS
    .B kachery
    .I COMMAND
    .RI [ OPTION ...]
    .SH DESCRIPTION
    Files are stored by the SHA-1 of their bytes and have URIs of the form sha1://HASH/name. Other members of a channel
    can load a file by its URI. A daemon, kacheryd, talks to other nodes; without one, the commands work on a storage
    directory.
    .SH COMMANDS
    \(commands.map(section).joined(separator: "\n"))
    .SH OTHER NAMES
    Each of these is a link to the same program:
    \(programs.keys.sorted().map { ".TP\n.B \(Self.text($0))\nkachery \(Self.text(programs[$0] ?? ""))" }.joined(separator: "\n"))
    .SH EXIT STATUS
    \(Self.exitCodes)
    .SH ENVIRONMENT
    \(Self.environment.map { ".TP\n.B \($0.0)\n\(Self.text($0.1))" }.joined(separator: "\n"))
    """
  }

  private func section(of command: Command) -> String {
    var lines = [".SS kachery \(Self.text(command.name)) \(Self.text(command.usage))", Self.text(command.summary)]
    if !command.details.isEmpty { lines += [".PP", Self.text(command.details)] }
    for option in command.options where !option.isIgnored {
      let value = option.value.map { " \\fI\(Self.text($0))\\fR" } ?? ""
      let letter = option.letter.map { "\\fB\(Self.text($0))\\fR, " } ?? ""
      lines += [".TP", "\(letter)\\fB\(Self.text(option.name))\\fR\(value)", Self.text(option.help)]
    }
    if let ignored = command.ignoredOptions { lines += [".PP", Self.text(ignored)] }
    lines += [".PP", "Examples:", ".PP", ".nf"] + command.examples.map { "    \(Self.text($0))" } + [".fi"]
    return lines.joined(separator: "\n")
  }

  private static let exitCodes = ExitCode.explanation.split(separator: "\n").dropFirst().map { line in
    let parts = line.split(separator: " ", maxSplits: 1)
    return ".TP\n.B \(parts[0])\n\(text(String(parts.last ?? "").trimmed))"
  }.joined(separator: "\n")

  private static let environment = [
    ("KACHERY_STORAGE_DIR", "The storage directory. If no daemon answers, commands work on it directly."),
    ("KACHERY_OFFLINE_STORAGE_DIR", "A storage directory to work on directly, without a daemon."),
    ("KACHERY_P2P_API_HOST, KACHERY_DAEMON_HOST", "The machine of the daemon (localhost)."),
    ("KACHERY_P2P_API_PORT, KACHERY_DAEMON_PORT", "The port of the daemon's local API (20431)."),
    ("KACHERY_P2P_…", "Any setting of a daemon, such as KACHERY_P2P_LIMIT_UP; 'kachery config show' lists them."),
    ("NO_COLOR", "Disables colored output."),
  ]

  /// Text with everything escaped that man would interpret.
  private static func text(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let escaped = line.map { $0 == "\\" ? "\\e" : $0 == "-" ? "\\-" : String($0) }.joined()
      return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }.joined(separator: "\n")
  }
}

extension String {
  /// The string without leading spaces.
  fileprivate var trimmed: String { String(drop { $0 == " " }) }
}

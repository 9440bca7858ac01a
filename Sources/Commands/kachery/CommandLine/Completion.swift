import Primitives

extension Command {
  /// `kachery completion`
  static let completion = Command(
    name: "completion", usage: "bash | zsh | fish", summary: "Prints the completion script for a shell.",
    details: """
      'make install' installs the scripts. Without it, source the script in ~/.bashrc or ~/.config/fish/config.fish; for
      zsh, write it to a folder in fpath. The script completes all names of this program.
      """,
    examples: [
      "source <(kachery completion bash)", "kachery completion zsh > ~/.zfunc/_kachery",
      "kachery completion fish | source",
    ],
    run: { (arguments) throws(KacheryError) in
      let completion = Completion()
      switch try arguments.operand("shell") {
      case "bash": Console.result(completion.bash)
      case "zsh": Console.result(completion.zsh)
      case "fish": Console.result(completion.fish)
      case let shell:
        throw KacheryError(.badRequest, "No completion for '\(shell)'; choose bash, zsh or fish.")
      }
      return .done
    })
}

/// Completion scripts for shells, generated from the tables of commands and names.
struct Completion {
  /// A word that may follow a program's name.
  struct Word {
    let word: String
    let summary: String
    /// The words that may follow it, if it is the first of two words of a command's name.
    var seconds: [Word] = []
    /// The command that it names.
    var command: Command?
  }

  /// The programs that stand for a single command.
  let direct: [(name: String, command: Command)]
  /// The programs that have commands, with their words.
  let grouped: [(name: String, words: [Word])]

  init() {
    direct = Program.programs.sorted { $0.key < $1.key }.compactMap { name, command in
      Program.find(command).map { (name, $0) }
    }
    let published = Program.publishedCommands.sorted { $0.key < $1.key }.map { program, commands in
      (
        name: program,
        words: commands.sorted { $0.key < $1.key }.map { word, name in
          let command = Program.find(name)
          return Word(word: word, summary: command?.summary ?? "", command: command)
        }
      )
    }
    grouped = [(name: "kachery", words: Self.words(of: Program.commands))] + published
  }

  /// Every name that completes.
  var names: [String] { grouped.map(\.name) + direct.map(\.name) }

  private static func words(of commands: [Command]) -> [Word] {
    var words: [Word] = []
    for command in commands {
      let parts = command.name.split(separator: " ").map(String.init)
      guard parts.count > 1 else {
        words.append(Word(word: parts[0], summary: command.summary, command: command))
        continue
      }
      let second = Word(word: parts[1], summary: command.summary, command: command)
      if let index = words.firstIndex(where: { $0.word == parts[0] }) {
        words[index].seconds.append(second)
      } else {
        words.append(Word(word: parts[0], summary: "See kachery \(parts[0]) --help.", seconds: [second]))
      }
    }
    return words
  }

  /// The options to offer: those that have an effect.
  static func options(of command: Command) -> [Option] {
    command.options.filter { !$0.isIgnored } + [Option("--help", nil, "show help")]
  }

  /// Text for between single quotes.
  static func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "’")
  }
}

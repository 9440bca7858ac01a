import Primitives

extension Command {
  /// `kachery completion`
  static let completion = Command(
    name: "completion", usage: "bash | zsh | fish", summary: "Prints what lets a shell complete commands and options.",
    examples: [
      "source <(kachery completion bash)", "kachery completion zsh > ~/.zfunc/_kachery",
      "kachery completion fish > ~/.config/fish/completions/kachery.fish",
    ],
    run: { (arguments) throws(KacheryError) in
      switch try arguments.operand("shell") {
      case "bash": Console.result(Completion(Program.commands).bash)
      case "zsh": Console.result(Completion(Program.commands).zsh)
      case "fish": Console.result(Completion(Program.commands).fish)
      case let shell:
        throw KacheryError(.badRequest, "There is no completion for '\(shell)': bash, zsh and fish are known.")
      }
      return .done
    })
}

/// Scripts that let shells complete what the table of commands says.
struct Completion {
  private let commands: [Command]

  init(_ commands: [Command]) { self.commands = commands }

  /// The words that may come first, each once, and what they lead to.
  private var firstWords: [(word: String, seconds: [String], summary: String)] {
    var words: [(word: String, seconds: [String], summary: String)] = []
    for command in commands {
      let parts = command.name.split(separator: " ").map(String.init)
      if let index = words.firstIndex(where: { $0.word == parts[0] }) {
        words[index].seconds += parts.dropFirst()
      } else {
        words.append((parts[0], Array(parts.dropFirst()), parts.count > 1 ? "" : command.summary))
      }
    }
    return words
  }

  private static func options(of command: Command) -> [String] { command.options.map(\.name) + ["--help"] }

  var bash: String {
    let cases = commands.map { command in
      let pattern = command.name.contains(" ") ? "\"\(command.name)\"" : "\"\(command.name) \"*"
      return "    \(pattern)) words=\"\(Self.options(of: command).joined(separator: " "))\" ;;"
    }
    let groups = firstWords.filter { !$0.seconds.isEmpty }.map { group in
      "    \(group.word)) words=\"\(group.seconds.joined(separator: " "))\" ;;"
    }
    return """
      _kachery() {
        local word="${COMP_WORDS[COMP_CWORD]}" words=""
        if [ "$COMP_CWORD" -eq 1 ]; then
          words="\(firstWords.map(\.word).joined(separator: " "))"
        elif [[ "$word" == -* ]]; then
          case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
      \(cases.joined(separator: "\n"))
          esac
        elif [ "$COMP_CWORD" -eq 2 ]; then
          case "${COMP_WORDS[1]}" in
      \(groups.joined(separator: "\n"))
          esac
        fi
        COMPREPLY=($(compgen -W "$words" -- "$word"))
      }
      complete -o default -F _kachery kachery
      """
  }

  var zsh: String {
    // A colon would end the word that is described.
    let words = firstWords.map { word in
      let summary = Self.quoted(word.summary).split(separator: ":", omittingEmptySubsequences: false)
      return "    '\(word.word):\(summary.joined(separator: "\\:"))'"
    }
    let groups = firstWords.filter { !$0.seconds.isEmpty }.map { group in
      "    \(group.word)) (( CURRENT == 3 )) && compadd -- \(group.seconds.joined(separator: " ")) ;|"
    }
    let cases = commands.map { command in
      let pattern = command.name.contains(" ") ? "\"\(command.name)\"" : "\"\(command.name) \"*"
      return "      \(pattern)) compadd -- \(Self.options(of: command).joined(separator: " ")) ;;"
    }
    return """
      #compdef kachery
      local -a commands
      commands=(
      \(words.joined(separator: "\n"))
      )
      if (( CURRENT == 2 )); then
        _describe 'command' commands
        return
      fi
      if [[ $words[CURRENT] == -* ]]; then
        case "$words[2] $words[3]" in
      \(cases.joined(separator: "\n"))
        esac
        return
      fi
      case $words[2] in
      \(groups.joined(separator: "\n"))
        *) _files ;;
      esac
      """
  }

  var fish: String {
    var lines = firstWords.map { word in
      "complete -c kachery -n __fish_use_subcommand -a \(word.word) -d '\(Self.quoted(word.summary))'"
    }
    for command in commands {
      let parts = command.name.split(separator: " ")
      var condition = "__fish_seen_subcommand_from \(parts[0])"
      if parts.count > 1 {
        lines.append(
          "complete -c kachery -f -n '\(condition); and not __fish_seen_subcommand_from \(parts[1])' -a \(parts[1]) "
            + "-d '\(Self.quoted(command.summary))'")
        condition += "; and __fish_seen_subcommand_from \(parts[1])"
      }
      for option in command.options {
        let name = option.name.dropFirst(2)
        let value = option.value == nil ? "" : " -r"
        lines.append("complete -c kachery -n '\(condition)' -l \(name)\(value) -d '\(Self.quoted(option.help))'")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Text for between single quotes.
  private static func quoted(_ text: String) -> String {
    text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "’")
  }
}

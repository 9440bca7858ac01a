extension Completion {
  private static func names(_ options: [Option]) -> String { options.map(\.name).joined(separator: " ") }

  /// The branches of a `case` over a line's first words, `PROGRAM WORD WORD`, each with the options that may follow.
  /// The shells take the first match, so a pattern of two words precedes that of one.
  private func optionCases(_ act: (String) -> String) -> String {
    var cases: [String] = []
    func add(_ pattern: String, _ command: Command?) {
      guard let command else { return }
      cases.append("    \(pattern)) \(act(Self.names(Self.options(of: command)))) ;;")
    }
    for (name, command) in direct { add("\"\(name) \"*", command) }
    for (name, words) in grouped {
      for word in words {
        for second in word.seconds { add("\"\(name) \(word.word) \(second.word)\"", second.command) }
        add("\"\(name) \(word.word) \"*", word.command)
      }
    }
    return cases.joined(separator: "\n")
  }

  /// The branches of a `case` over `PROGRAM WORD`: each with the words that may follow.
  private func secondCases(_ act: (String) -> String) -> String {
    grouped.flatMap { name, words in
      words.filter { !$0.seconds.isEmpty }.map { word in
        "    \"\(name) \(word.word)\") \(act(word.seconds.map(\.word).joined(separator: " "))) ;;"
      }
    }.joined(separator: "\n")
  }

  var bash: String {
    let firsts = grouped.map { name, words in
      "    \(name)) words=\"\(words.map(\.word).joined(separator: " "))\" ;;"
    }
    return """
      _kachery() {
        local word="${COMP_WORDS[COMP_CWORD]}" words="" name="${COMP_WORDS[0]##*/}"
        if [[ "$word" != -* && "$name ${COMP_WORDS[1]}" == "kachery receive" ]]; then
          COMPREPLY=($("${COMP_WORDS[0]}" receive --complete "$word" 2>/dev/null))
          compopt -o nospace 2>/dev/null
          return
        elif [[ "$word" == -* ]]; then
          case "$name ${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
      \(optionCases { "words=\"\($0)\"" })
          esac
        elif [ "$COMP_CWORD" -eq 1 ]; then
          case "$name" in
      \(firsts.joined(separator: "\n"))
          esac
        elif [ "$COMP_CWORD" -eq 2 ]; then
          case "$name ${COMP_WORDS[1]}" in
      \(secondCases { "words=\"\($0)\"" })
          esac
        fi
        COMPREPLY=($(compgen -W "$words" -- "$word"))
      }
      complete -o default -F _kachery \(names.joined(separator: " "))
      """
  }

  var zsh: String {
    let firsts = grouped.map { name, words in
      // Escape colons: one would end the word being described.
      let lines = words.map { word in
        "'\(word.word):\(Self.quoted(word.summary).split(separator: ":", omittingEmptySubsequences: false).joined(separator: "\\:"))'"
      }
      return "    \(name)) commands=(\n      \(lines.joined(separator: "\n      "))\n    ) ;;"
    }
    // The completion system runs the script as the function itself; 'source' must register it.
    return """
      #compdef \(names.joined(separator: " "))
      _kachery() {
        local -a commands
        local name=${words[1]:t}
        if [[ "$name $words[2]" == "kachery receive" && $words[CURRENT] != -* ]]; then
          compadd -S '' -- ${(f)"$($words[1] receive --complete "$words[CURRENT]" 2>/dev/null)"}
          return
        fi
        if [[ $words[CURRENT] == -* ]]; then
          case "$name $words[2] $words[3]" in
      \(optionCases { "compadd -- \($0)" })
          esac
          return
        fi
        if (( CURRENT == 2 )); then
          case $name in
      \(firsts.joined(separator: "\n"))
          esac
          if (( $#commands )); then
            _describe 'command' commands
            return
          fi
        elif (( CURRENT == 3 )); then
          case "$name $words[2]" in
      \(secondCases { "compadd -- \($0); return" })
          esac
        fi
        _files
      }
      if [ "$funcstack[1]" = "_kachery" ]; then
        _kachery "$@"
      else
        compdef _kachery \(names.joined(separator: " "))
      fi
      """
  }

  var fish: String {
    var lines: [String] = []
    for (name, command) in direct { lines += Self.fishOptions(of: command, name, condition: nil) }
    for (name, words) in grouped {
      lines += words.map { word in
        "complete -c \(name) -n __fish_use_subcommand -a \(word.word) -d '\(Self.quoted(word.summary))'"
      }
      for word in words {
        let condition = "__fish_seen_subcommand_from \(word.word)"
        if let command = word.command { lines += Self.fishOptions(of: command, name, condition: condition) }
        let seconds = word.seconds.map(\.word).joined(separator: " ")
        for second in word.seconds {
          lines.append(
            "complete -c \(name) -f -n '\(condition); and not __fish_seen_subcommand_from \(seconds)' -a \(second.word) "
              + "-d '\(Self.quoted(second.summary))'")
          guard let command = second.command else { continue }
          lines += Self.fishOptions(
            of: command, name, condition: "\(condition); and __fish_seen_subcommand_from \(second.word)")
        }
      }
    }
    lines.append(
      "complete -c kachery -f -n '__fish_seen_subcommand_from receive' "
        + "-a '(kachery receive --complete (commandline -ct) 2>/dev/null)'")
    return lines.joined(separator: "\n")
  }

  private static func fishOptions(of command: Command, _ program: String, condition: String?) -> [String] {
    options(of: command).map { option in
      let when = condition.map { " -n '\($0)'" } ?? ""
      let value = option.value == nil ? "" : " -r"
      return "complete -c \(program)\(when) -l \(option.name.dropFirst(2))\(value) -d '\(quoted(option.help))'"
    }
  }
}

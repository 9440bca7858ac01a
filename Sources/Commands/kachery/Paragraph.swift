/// Text in lines that fit a terminal.
enum Paragraph {
  /// The words of `text` in lines of at most `width` columns, where none of the words is longer.
  static func lines(_ text: String, width: Int, first: String = "", rest: String = "") -> [String] {
    var lines: [String] = []
    var line = first
    var hasWord = false
    for word in text.split(separator: " ") {
      if hasWord, line.count + 1 + word.count > width {
        lines.append(line)
        line = rest
        hasWord = false
      }
      line += (hasWord ? " " : "") + word
      hasWord = true
    }
    return lines + [line]
  }
}

/// Text in lines that fit a terminal.
enum Paragraph {
  /// Wraps `text` into lines of at most `width` columns; a longer word gets a line of its own.
  static func lines(_ text: String, width: Int, first: String = "", rest: String = "") -> [String] {
    var lines: [String] = []
    var line = first
    var hasWord = false
    for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
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

  /// The longest name that widens the column.
  private static let longestName = 26

  /// The column at which the text beside these names begins.
  static func column(of entries: [(name: String, text: String)]) -> Int {
    (entries.map(\.name.count).filter { $0 <= longestName }.max() ?? 0) + 4
  }

  /// Lists names in a column, with the text of each beside it, or below it if the name is long.
  static func list(_ entries: [(name: String, text: String)], width: Int, column: Int? = nil) -> [String] {
    let column = column ?? self.column(of: entries)
    let indent = String(repeating: " ", count: column)
    return entries.flatMap { name, text in
      let gap = column - 2 - name.count
      guard gap < 2 else {
        return lines(text, width: width, first: "  \(name)\(String(repeating: " ", count: gap))", rest: indent)
      }
      return ["  \(name)"] + lines(text, width: width, first: indent, rest: indent)
    }
  }
}

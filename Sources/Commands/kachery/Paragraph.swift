/// Text in lines that fit a terminal.
enum Paragraph {
  /// The words of `text` in lines of at most `width` columns, where none of the words is longer.
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

  /// The longest name that others make room for.
  private static let longestName = 26

  /// Where the text beside these names begins.
  static func column(of entries: [(name: String, text: String)]) -> Int {
    (entries.map(\.name.count).filter { $0 <= longestName }.max() ?? 0) + 4
  }

  /// Names in a column and beside them, or below the long ones, what is said of each.
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

/// The core behaves the same in every process. Sets and dictionaries are hashed with a per-process seed, so a loop over
/// one runs in a different order in each process, and a failing simulation may not fail again.
///
/// A loop may visit them unsorted if its line, or the line above, ends in `// in any order: ` and the reason.
enum OrderRule {
  /// The unsorted loops over sets and dictionaries, in files that can see each other's declarations.
  static func violations(in files: [SourceFile]) -> [Violation] {
    let core = files.filter { $0.layer == .core }
    let names = UnorderedNames(of: core)
    return core.flatMap { file in
      loops(in: file)
        .filter { names.isUnordered($0.sequence, at: $0.line, of: file) && !isExplained($0.line, in: file) }
        .map { file.violation(at: $0.line, "\($0.sequence) has no order: sort it, or say why any order will do.") }
    }
  }

  private static func isExplained(_ line: Int, in file: SourceFile) -> Bool {
    [line, line - 1].contains { $0 >= 0 && file.lines[$0].contains(/\/\/ in any order: \w+/) }
  }

  /// The sequence of each `for` loop.
  private static func loops(in file: SourceFile) -> [(line: Int, sequence: String)] {
    file.code.indices.compactMap { line in
      guard file.code[line].containsAny(of: ["for "]),
        let start = file.code[line].firstMatch(of: /^\s*(?:\w+: )?for .*? in(?: |$)/)
      else { return nil }
      // A header is rarely longer than three lines.
      let text = ([String(file.code[line][start.range.upperBound...])] + file.code[(line + 1)...].prefix(3))
        .joined(separator: " ")
      return (line, header(text))
    }
  }

  /// The text up to `where`, or to the brace that opens the body.
  private static func header(_ text: String) -> String {
    var depth = 0
    var end = text.endIndex
    for index in text.indices {
      switch text[index] {
      case "(", "[": depth += 1
      case ")", "]": depth -= 1
      case "{" where depth == 0: end = index
      case " " where depth == 0 && text[index...].hasPrefix(" where "): end = index
      default: continue
      }
      if end != text.endIndex { break }
    }
    return text[..<end].trimmingPrefix(" ").split(separator: " ").joined(separator: " ")
  }
}

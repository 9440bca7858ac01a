/// The allowed imports, as listed in `Sources/README.md`.
struct ArrowTable: Equatable {
  /// The modules that each module may import, by module name.
  let allowed: [String: Set<String>]

  /// Reads the rows `| module | a, b |` of a Markdown table; skips its heading and its rule.
  init(markdown: String) {
    var allowed: [String: Set<String>] = [:]
    for line in markdown.split(separator: "\n") where line.hasPrefix("|") {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
        .map { $0.filter { $0 != " " } }
      guard cells.count == 2, cells[0] != "module", !cells[0].hasPrefix("-") else { continue }
      allowed[cells[0]] = Set(cells[1].split(separator: ",").map(String.init))
    }
    self.allowed = allowed
  }
}

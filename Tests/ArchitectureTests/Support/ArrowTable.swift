/// Who may import whom, as `Sources/README.md` says.
struct ArrowTable: Equatable {
  /// What each module may import, by the module's name.
  let allowed: [String: Set<String>]

  /// Reads the rows `| module | a, b |` of a Markdown table; its heading and its rule are left out.
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

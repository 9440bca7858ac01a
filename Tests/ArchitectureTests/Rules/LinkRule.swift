/// Links between documentation pages, or from them to the sources, have a target.
enum LinkRule {
  /// `exists` returns whether there is a file or folder at a path relative to the repository's root.
  static func violations(in page: SourceFile, exists: (String) -> Bool) -> [Violation] {
    let folder = page.path.split(separator: "/").dropLast().joined(separator: "/")
    return page.lines.indices.flatMap { index in
      targets(in: page.lines[index]).filter { !exists("\(folder)/\($0)") }.map {
        page.violation(at: index, "there is no \($0).")
      }
    }
  }

  /// The relative targets of Markdown links, without fragments.
  private static func targets(in line: String) -> [String] {
    line.matches(of: /\]\(([^)#]+)(?:#[^)]*)?\)/).map { String($0.output.1) }.filter { !$0.contains("://") }
  }
}

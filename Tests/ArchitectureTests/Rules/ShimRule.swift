/// Every function of a C shim carries the shim's name, and a reason above it or above its group.
enum ShimRule {
  static func violations(in file: SourceFile) -> [Violation] {
    let parts = file.path.split(separator: "/").map(String.init)
    guard parts.count > 2, parts[0] == "CShims", file.name.hasSuffix(".h") else { return [] }
    let function = /^static inline [\w\s\*]*?(\w+)\s*\(/
    return file.lines.indices.flatMap { index -> [Violation] in
      guard let name = file.lines[index].firstMatch(of: function)?.output.1 else { return [] }
      var found: [Violation] = []
      if !name.hasPrefix(parts[1] + "_") {
        found.append(file.violation(at: index, "\(name) must begin with \(parts[1])_."))
      }
      if !hasReason(file, index) {
        found.append(file.violation(at: index, "\(name) needs the reason for it in a comment above."))
      }
      return found
    }
  }

  /// Functions that stand together without a blank line share one reason, above the first of them.
  private static func hasReason(_ file: SourceFile, _ index: Int) -> Bool {
    let group = file.lines[..<index].reversed().prefix { !$0.isEmpty }
    return group.contains { line in
      let text = line.drop { $0 == " " }
      return text.hasPrefix("//") || text.hasPrefix("/*") || text.hasSuffix("*/")
    }
  }
}

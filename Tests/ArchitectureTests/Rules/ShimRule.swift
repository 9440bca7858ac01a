/// Every function of a C shim has the shim's prefix, and a reason above it or its group.
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

  /// Adjacent functions without a blank line between them share the reason above the first.
  private static func hasReason(_ file: SourceFile, _ index: Int) -> Bool {
    let group = file.lines[..<index].reversed().prefix { !$0.isEmpty }
    return group.contains { line in
      let text = line.drop { $0 == " " }
      return text.hasPrefix("//") || text.hasPrefix("/*") || text.hasSuffix("*/")
    }
  }
}

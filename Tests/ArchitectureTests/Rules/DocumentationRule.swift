/// Every `package` type, function and throwing or failable initializer has a doc comment.
///
/// A line scanner, not a parser: a `///` line must precede the declaration's own line; attributes may be between them.
/// Members that a protocol requires need no comment.
enum DocumentationRule {
  private static let witnesses: Set<String> = [
    "hash", "==", "<", "encode", "next", "makeIterator", "enqueue", "asUnownedSerialExecutor", "checkIsolated",
    "isIsolatingCurrentContext", "index", "withContiguousStorageIfAvailable",
  ]

  static func violations(in file: SourceFile) -> [Violation] {
    file.code.indices.compactMap { index in
      guard let name = name(declaredBy: file.code[index]), !isDocumented(file, index) else { return nil }
      return file.violation(at: index, "\(name) has no doc comment: say what it means, its units and its errors.")
    }
  }

  /// The name that a line declares with `package`, if it must be documented.
  private static func name(declaredBy line: String) -> String? {
    let kinds = ["class", "struct", "enum", "protocol", "actor", "typealias", "func", "init"]
    guard line.containsAny(of: kinds) else { return nil }
    let declaration = /^\s*(?:@\w+(?:\([^)]*\))?\s+)*package\s+(.*)$/
    guard line.containsAny(of: ["package"]), let rest = line.firstMatch(of: declaration)?.output.1 else { return nil }
    if let type = rest.firstMatch(
      of: /\b(?:class|struct|enum|protocol|actor|typealias)\s+(?!func|var|let|subscript)(\w+)/),
      rest.firstMatch(of: /\b(?:func|var|let|init|import)\b/) == nil
    {
      return String(type.output.1)
    }
    if let function = rest.firstMatch(of: /\bfunc\s+([^\s(<]+|<)/) {
      let name = String(function.output.1)
      return witnesses.contains(name) ? nil : name
    }
    guard rest.firstMatch(of: /^(?:convenience\s+)?init\b/) != nil else { return nil }
    let isFailable = rest.firstMatch(of: /\binit\?/) != nil || rest.firstMatch(of: /\bthrows\b/) != nil
    let isWitness = rest.firstMatch(of: /init\??\((?:bytes|rawValue|from|stringLiteral|integerLiteral)\b/) != nil
    return isFailable && !isWitness ? "init" : nil
  }

  private static func isDocumented(_ file: SourceFile, _ index: Int) -> Bool {
    for line in file.lines[..<index].reversed() {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("///") { return true }
      if text.hasPrefix("@") || text.hasPrefix("//") { continue }
      return false
    }
    return false
  }
}

/// Every `import` in `Sources` follows an arrow of the table, or names a module of the toolchain.
enum ImportRule {
  /// Modules of the toolchain, which need no arrow. Foundation has a separate rule.
  private static let system: Set<String> = ["Synchronization", "Glibc", "Foundation", "FoundationEssentials"]

  static func violations(in file: SourceFile, table: ArrowTable) -> [Violation] {
    guard let module = file.module else { return [] }
    guard let allowed = table.allowed[module] else {
      return [Violation(file: file.path, line: nil, reason: "\(module) has no row in Sources/README.md; add one.")]
    }
    return imports(in: file).compactMap { index, name in
      if name == module || allowed.contains(name) || system.contains(name) { return nil }
      return file.violation(at: index, "\(module) may not import \(name): Sources/README.md has no such arrow.")
    }
  }

  /// Every module that the file imports in any form, with the line counted from 0.
  static func imports(in file: SourceFile) -> [(line: Int, module: String)] {
    let form =
      /(?:^|;)\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var|actor)\s+)?(\w+)/
    return file.code.indices.filter { file.code[$0].containsAny(of: ["import"]) }.flatMap { index in
      file.code[index].matches(of: form).map { (line: index, module: String($0.output.1)) }
    }
  }
}

/// Names describe the job, and the code contains no notes about unfinished work.
enum NamingRule {
  private static let vague = ["Manager", "Helper", "Helpers", "Utils", "Util", "Common"]

  static func violations(in file: SourceFile) -> [Violation] {
    fileName(of: file) + typeNames(in: file) + access(in: file) + notes(in: file)
  }

  private static func fileName(of file: SourceFile) -> [Violation] {
    let stem = file.name.prefix { $0 != "." }.split(separator: "+").first.map(String.init) ?? ""
    guard let suffix = vague.first(where: { stem.hasSuffix($0) }) else { return [] }
    return [Violation(file: file.path, line: nil, reason: "a name that ends in \(suffix) hides the job; name the job.")]
  }

  private static func typeNames(in file: SourceFile) -> [Violation] {
    let type = /\b(?:class|struct|enum|protocol|actor|typealias)\s+(\w+)/
    return file.code.indices.compactMap { index in
      guard file.code[index].containsAny(of: vague), let name = file.code[index].firstMatch(of: type)?.output.1,
        let suffix = vague.first(where: { name.hasSuffix($0) })
      else { return nil }
      return file.violation(at: index, "a type whose name ends in \(suffix) hides its job; name the job.")
    }
  }

  private static func access(in file: SourceFile) -> [Violation] {
    file.violations(
      of: /^\s*(?:@\w+\s+)*(?:public|open)\s/, in: ["public", "open"],
      "nothing is public: modules share with `package`.")
  }

  private static func notes(in file: SourceFile) -> [Violation] {
    let note = /\b(TODO|FIXME|XXX|HACK)\b/
    let words = ["TODO", "FIXME", "XXX", "HACK"]
    return file.lines.indices.filter { file.lines[$0].containsAny(of: words) && file.lines[$0].contains(note) }
      .map { file.violation(at: $0, "do it, or leave it to the list of issues; no notes in the code.") }
  }
}

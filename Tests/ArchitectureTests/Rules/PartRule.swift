/// The parts of the daemon know about each other only what `Sources/Daemon/README.md` allows.
enum PartRule {
  private static let root = "Sources/Daemon/"

  /// The uses of another part's types that the table does not allow.
  static func violations(in files: [SourceFile], table: PartTable) -> [Violation] {
    let daemon = files.filter { $0.path.hasPrefix(root) }
    var owners: [String: String] = [:]
    for file in daemon { for name in types(in: file) { owners[name] = folder(of: file) } }
    let unlisted = Set(daemon.map(folder)).subtracting(table.rows.keys).sorted().map { folder in
      Violation(file: root + "README.md", line: nil, reason: "the folder \(folder) has no row; add one")
    }
    let absent = table.rows.flatMap { folder, row in
      row.surface.filter { owners[$0] != folder }.sorted().map { name in
        Violation(file: root + "README.md", line: nil, reason: "\(name) is not a type of the folder \(folder)")
      }
    }
    return unlisted + absent + daemon.flatMap { violations(in: $0, owners, table) }
  }

  private static func violations(
    in file: SourceFile, _ owners: [String: String], _ table: PartTable
  ) -> [Violation] {
    let own = folder(of: file)
    guard let row = table.rows[own] else { return [] }
    let allowed = row.mayName.reduce(into: row.mayName) { names, other in
      names.formUnion(table.rows[other]?.surface ?? [])
    }
    return file.code.indices.flatMap { index in
      file.code[index].capitalizedWords.compactMap { name in
        guard let owner = owners[name], owner != own, !allowed.contains(name) else { return nil }
        return file.violation(
          at: index, "\(name) belongs to \(owner); Sources/Daemon/README.md does not let \(own) name it.")
      }
    }
  }

  /// The top-level types of a file that are visible to other files.
  private static func types(in file: SourceFile) -> [String] {
    let form = /^(?:(?:package|final|indirect) )*(?:class|struct|enum|protocol|actor) (\w+)/
    return file.code.compactMap { $0.firstMatch(of: form).map { String($0.output.1) } }
  }

  /// The folder below the daemon's; `.` for the daemon's own files.
  private static func folder(of file: SourceFile) -> String {
    let parts = file.path.dropFirst(root.count).split(separator: "/")
    return parts.count > 1 ? String(parts[0]) : "."
  }
}

/// The rows of the table of parts: `| folder | surface | may name |`.
struct PartTable {
  struct Row: Equatable {
    /// The types of the folder that other folders may name.
    let surface: Set<String>
    /// Folders whose surface this folder may name, and single types.
    let mayName: Set<String>
  }

  let rows: [String: Row]

  init(markdown: String) {
    var rows: [String: Row] = [:]
    for line in markdown.split(separator: "\n") where line.hasPrefix("|") {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
        .map { $0.filter { $0 != " " } }
      guard cells.count == 3, cells[0] != "folder", !cells[0].hasPrefix("-") else { continue }
      let names = cells.map { Set($0.split(separator: ",").map(String.init)) }
      rows[cells[0]] = Row(surface: names[1], mayName: names[2])
    }
    self.rows = rows
  }
}

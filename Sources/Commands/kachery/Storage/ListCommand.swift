import APIModel
import Primitives

extension Command {
  /// `kachery ls`
  static let list = Command(
    name: "ls", usage: "[URI…]", summary: "Lists the stored files, or the contents of a stored folder.",
    details: """
      One line per file: hash, size, last use, flags, and the name under which it was stored or loaded last, if the node
      knows it. Flags: 'p' pinned, 'l' linked to a file elsewhere, '!' linked to a file that has changed; an arrow leads
      to that file. For a stored folder, sha1dir://…, it lists the names in it. Under its published name kachery-ls, it
      prints neither heads nor names.
      """,
    options: [json] + publishedLoading,
    examples: [
      "kachery ls", "kachery ls --json | jq -r .sha1", "kachery ls sha1://…/recording.bin",
      "kachery ls sha1dir://….session7/sub",
    ],
    run: { (arguments) throws(KacheryError) in
      if let first = arguments.operands.first, FolderURI.isMeant(by: first) { return try listFolder(arguments) }
      let wanted = Set(try StoredSelection(arguments, from: .here).files)
      let style = arguments.has("--json") ? Style.json : arguments.isPublishedCall ? .published : .table
      var found = 0
      try Storage.current().list { (file) throws(KacheryError) in
        let hash: ContentHash = try file.fixed("sha1")
        guard wanted.isEmpty || wanted.contains(hash) else { return }
        found += 1
        if found == 1, case .table = style { Console.result(heads) }
        Console.result(try line(hash, file, style))
      }
      guard found == 0, !wanted.isEmpty else { return .done }
      throw KacheryError(.notFound, "None of these files is in the storage directory.")
    })

  /// Lists a stored folder as the published command does: folders first, each name followed by a slash.
  private static func listFolder(_ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let folder = try FolderReader(arguments).folder(try arguments.operand("folder's URI"))
    if arguments.has("--json") {
      Console.result(folder.json.compact)
      return .done
    }
    for entry in folder.folders { Console.result("\(entry.name.text.printable)/") }
    for file in folder.files { Console.result(file.name.text.printable) }
    return .done
  }

  private enum Style { case json, published, table }

  /// The heads of the columns.
  private static let heads = "HASH\(String(repeating: " ", count: 36))      SIZE  LAST USE          FLAGS  NAME"

  private static func line(_ hash: ContentHash, _ file: JSONFields, _ style: Style) throws(KacheryError) -> String {
    if case .json = style { return file.json.compact }
    let target = try file.optionalString("target")
    let pin = try file.optionalBool("isPinned") == true ? "p" : "-"
    let link = target == nil ? "-" : try file.optionalBool("isValid") == true ? "l" : "!"
    let lastUse = try file.unsigned("lastUse")
    let use = lastUse == 0 ? "-               " : Day(seconds: Int(clamping: lastUse)).description
    let start = "\(hash)  \(size(try file.unsigned("bytes")))  \(use)  \(pin)\(link)"
    if case .published = style { return "\(start)\(target.map { "  \($0.printable)" } ?? "")" }
    let name = file.value("names")?.array?.first?.string
    let facts = [name?.printable, target.map { "→ \($0.printable)" }].compactMap(\.self)
    return facts.isEmpty ? start : "\(start)     \(facts.joined(separator: "  "))"
  }

  /// A number of bytes, in a column.
  static func size(_ bytes: UInt64) -> String {
    let size = Quantity.bytes(Double(bytes))
    return String(repeating: " ", count: max(0, 8 - size.count)) + size
  }
}

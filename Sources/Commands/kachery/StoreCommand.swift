import APIModel
import ContentStore
import Glibc
import Primitives

extension Command {
  /// `kachery store`
  static let store = Command(
    name: "store", usage: "FILE… | FOLDER… | -",
    summary: "Stores files and prints the URI of each, by which others can load it.",
    details: """
      A folder is stored with all that is in it and gets one URI, sha1dir://…; links are followed. The file '-' is standard
      input. A file that is stored already is not copied again.
      """,
    options: [Option("--label", "NAME", "the name at the end of the URI, in place of the file's"), json, quiet]
      + publishedStoring,
    examples: [
      "kachery-store recording.bin", "kachery-store session7/",
      "gzip -c notes.txt | kachery-store - --label notes.txt.gz",
    ],
    run: { (arguments) throws(KacheryError) in
      guard !arguments.operands.isEmpty else { throw KacheryError(.badRequest, "The file to store is missing.") }
      let storage = try Storage.current(isMade: true)
      return try forEach(of: arguments.operands) { (path) throws(KacheryError) in
        let uri = try uri(of: path, label: arguments.value("--label"), storage)
        let line: JSONValue = ["path": .string(path), "uri": .string(uri)]
        Console.result(arguments.has("--json") ? line.compact : uri)
      }
    })

  /// Does something with each operand, the rest also where one fails; where there is one only, its failure is the command's.
  static func forEach(
    of operands: [String], _ body: (String) throws(KacheryError) -> Void
  ) throws(KacheryError) -> ExitCode {
    if let only = operands.first, operands.count == 1 {
      try body(only)
      return .done
    }
    var outcome = ExitCode.done
    for operand in operands {
      do throws(KacheryError) { try body(operand) } catch {
        Console.error(error.message)
        outcome = outcome == .done || outcome == ExitCode(error) ? ExitCode(error) : .failed
      }
    }
    return outcome
  }

  private static func uri(of path: String, label: String?, _ storage: Storage) throws(KacheryError) -> String {
    let name = label ?? (path == "-" ? "" : lastName(of: path))
    if FolderToStore.isFolder(path) {
      let hash = try FolderToStore(storage: storage).store(path)
      return FolderURI(hash: hash, label: URILabel.escape(name)).description
    }
    let receipt = try FileToStore(path: path).store(in: storage)
    return KacheryURI(
      key: FileKey(hash: receipt.hash, manifest: receipt.manifest), label: URILabel.escape(name)
    ).description
  }

  /// The name that a person would call it by: that of the folder itself for `.`.
  private static func lastName(of path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard name == "." || name == ".." || name.isEmpty, let resolved = realpath(path, nil) else { return name }
    defer { free(resolved) }
    return String(cString: resolved).split(separator: "/").last.map(String.init) ?? ""
  }
}

/// The name at the end of a URI.
enum URILabel {
  /// The name with whatever would end or break the URI written as `%XX`. Letters of any script stay readable.
  static func escape(_ name: String) -> String {
    var escaped = ""
    for scalar in name.unicodeScalars {
      let breaks = scalar.value <= 0x20 || scalar.value == 0x7f || ["%", "?", "#", "/"].contains(Character(scalar))
      escaped += breaks ? "%" + Hex.encode(Array(String(scalar).utf8)).uppercased() : String(scalar)
    }
    return escaped
  }
}

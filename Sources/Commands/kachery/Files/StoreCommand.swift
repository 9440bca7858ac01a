import APIModel
import ContentStore
import Files
import Primitives

extension Command {
  /// `kachery store`
  static let store = Command(
    name: "store", usage: "FILE… | FOLDER… | -",
    summary: "Stores files and folders, and prints their URIs.",
    details: """
      Other nodes can load a file by its URI. A folder is stored with all its contents under one URI, sha1dir://…; links
      are followed. '-' is standard input. A file that is already stored is not copied again. --exclude leaves files and
      folders out of folders: a pattern is compared with their names, or, if it contains a slash, with their paths below
      the folder; with a slash at its end it is one for folders. '*' and '?' match no slash, '**' does.
      """,
    options: [
      Option("--label", "NAME", "the name at the end of the URI, instead of the file's"),
      Option("--exclude", "PATTERN", "leave out what matches, such as '*.tmp', '.git/' or 'raw/**/*.avi'; repeatable"),
      json, quiet,
    ] + publishedStoring,
    examples: [
      "kachery-store recording.bin", "kachery-store session7/",
      "kachery store session7 --exclude '*.tmp' --exclude .git/",
      "gzip -c notes.txt | kachery-store - --label notes.txt.gz",
    ],
    run: { (arguments) throws(KacheryError) in
      guard !arguments.operands.isEmpty else { throw KacheryError(.badRequest, "The file to store is missing.") }
      let storage = try Storage.current(createIfMissing: true)
      let task = StoreTask(storage: storage, arguments: arguments)
      if let only = arguments.operands.first, arguments.operands.count == 1 {
        try task.report(only, task.uris(of: [only])[0].get())
        return .done
      }
      var outcome = ExitCode.done
      for group in FilesToStore.groups(of: arguments.operands) {
        for (path, uri) in zip(group, task.uris(of: group)) {
          do throws(KacheryError) { task.report(path, try uri.get()) } catch {
            Console.error(error.message)
            outcome = outcome.joined(by: ExitCode(error))
          }
        }
      }
      return outcome
    })
}

/// One run of `kachery store`.
private struct StoreTask {
  let storage: Storage
  let arguments: Arguments

  func report(_ path: String, _ uri: String) {
    let line: JSONValue = ["path": .string(path), "uri": .string(uri)]
    Console.result(arguments.has("--json") ? line.compact : uri)
  }

  /// The URIs of one group: several files, or one folder.
  func uris(of group: [String]) -> [Result<String, KacheryError>] {
    if let folder = group.first, FolderToStore.isFolder(folder) {
      return [
        Result { () throws(KacheryError) in
          let name = arguments.value("--label") ?? Self.lastName(of: folder)
          let hash = try FolderToStore(
            storage: storage, name: name, exclusions: arguments.allValues("--exclude").map { GlobPattern($0) },
            isQuiet: arguments.has("--quiet")
          ).store(folder)
          return FolderURI(hash: hash, label: label(of: folder, isFolder: true)).description
        }
      ]
    }
    let given = arguments.value("--label")
    let files = FilesToStore(storage: storage, isQuiet: arguments.has("--quiet")) { path in
      given ?? (path == "-" ? "" : Self.lastName(of: path))
    }
    return zip(group, files.store(group)).map { path, outcome in
      outcome.map { reply in
        KacheryURI(key: FileKey(hash: reply.hash, manifest: reply.manifest), label: label(of: path)).description
      }
    }
  }

  private func label(of path: String, isFolder: Bool = false) -> ByteString {
    guard let given = arguments.value("--label") else {
      return URILabel.escape(path == "-" ? "" : Self.lastName(of: path))
    }
    return isFolder ? URILabel.escape(given) : URILabel.escapeKeepingSlashes(given)
  }

  /// The last component of the path; for `.`, the name of the folder itself.
  private static func lastName(of path: String) -> String {
    let name = path.lastPathName
    guard ["", ".", ".."].contains(name), let resolved = try? FileSystem.resolved(path) else { return String(name) }
    return String(resolved.lastPathName)
  }
}

import Files
import Primitives

extension Command {
  /// `kachery load-dir`
  static let loadFolder = Command(
    name: "load-dir", usage: "URI --dest FOLDER", summary: "Loads a stored folder and writes it as a folder.",
    details: """
      Nothing is written until every file has been loaded, and each file is written whole or not at all. Existing files
      of the same name are replaced; other files in the folder stay.
      """,
    options: [
      Option("--dest", "FOLDER", "the folder to write; created if missing"), fromNode, fromChannel, channel, timeout,
      json, quiet,
    ] + publishedLoading,
    examples: ["kachery-load-dir sha1dir://….session7 --dest session7"],
    run: { (arguments) throws(KacheryError) in
      let text = try arguments.operand("URI")
      guard let destination = arguments.value("--dest") else {
        throw KacheryError(.badRequest, "--dest is missing: name the folder to write.")
      }
      Interruption.expect(advice: arguments.has("--quiet") ? nil : resumeAdvice)
      let folder = try FolderReader(arguments).folder(text)
      let files = folder.allFiles
      let outcomes = try FileBatch(files.map { FileKey(hash: $0.file.hash) }, arguments).load()
      var paths: [String] = []
      for outcome in outcomes { paths.append(try outcome.get()) }
      for path in [destination] + folder.allFolders.map({ "\(destination)/\($0)" }) {
        _ = try FileSystem.createFolder(path, permissions: 0o755)
      }
      let client = try Storage.forReading().storage.client.flatMap { $0.isRemote ? nil : $0 }
      for (entry, path) in zip(files, paths) {
        let uri = KacheryURI(key: FileKey(hash: entry.file.hash), label: "")
        let place = "\(destination)/\(entry.path)"
        try LoadedFile(path: path, uri: uri, client: client).copy(to: try Destination(place), named: place)
      }
      let result: JSONValue = ["path": .string(destination), "files": .integer(Int64(files.count))]
      Console.result(arguments.has("--json") ? result.compact : destination)
      return .done
    })
}

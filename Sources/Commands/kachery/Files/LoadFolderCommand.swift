import Files
import Primitives

extension Command {
  /// `kachery load-dir`
  static let loadFolder = Command(
    name: "load-dir", usage: "URI --dest FOLDER", summary: "Loads a stored folder and writes it as a folder.",
    details: """
      Nothing is written until every file has been loaded. A new folder appears when all files are in it: until then it
      is a hidden folder beside its place, '.NAME.….kachery-partial'. In a folder that exists, files of the same name are
      replaced and other files stay; until all are in it, it contains a file 'unfinished-….kachery-partial'. After an
      interruption the same command continues.
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
      let path = try FolderDestination.name(destination)
      let folder = try FolderReader(arguments).folder(text)
      let label = PercentEncoding.decode(try FolderURI(parsing: text).label.text)
      let load = FolderLoad(folder: folder, name: label.isEmpty ? "" : "\(label)/", path: path, arguments: arguments)
      do throws(KacheryError) { try load.run() } catch  where error.code == .diskFull {
        throw KacheryError(
          .diskFull, "\(error.message) What was written stays: free some space and run the same command to continue.",
          cause: error.cause)
      }
      let result: JSONValue = ["path": .string(destination), "files": .integer(Int64(folder.allFiles.count))]
      Console.result(arguments.has("--json") ? result.compact : destination)
      return .done
    })
}

/// Loads the files of a folder, and then writes them.
private struct FolderLoad {
  let folder: FolderDocument
  /// What to write before the names of its files: the folder's own and a slash.
  let name: String
  let path: String
  let arguments: Arguments

  func run() throws(KacheryError) {
    var bar = ProgressBar(name: String(path.lastPathName), isQuiet: arguments.has("--quiet"))
    defer { bar.end() }
    while true {
      let written = FolderDestination.written(folder, for: path)
      let sources = try load(allBut: written, showing: &bar)
      if try place(sources, and: written, showing: &bar) { break }
    }
    let all = FileBatch.Amount(folder.allFiles.map(\.file))
    bar.update(all, of: all)
  }

  /// Loads the files that are not written yet. Returns where each is.
  private func load(
    allBut written: Set<ByteString>, showing bar: inout ProgressBar
  ) throws(KacheryError) -> [ByteString: String] {
    let files = folder.allFiles
    let missing = files.filter { !written.contains($0.path) }
    let present = files.filter { written.contains($0.path) }.map(\.file)
    let outcomes = try FileBatch(
      missing.map { FileKey(hash: $0.file.hash) }, named: missing.map { "\(name)\($0.path)" }, arguments
    ).load(showing: &bar, after: FileBatch.Amount(present), of: FileBatch.Amount(files.map(\.file)))
    var sources: [ByteString: String] = [:]
    for (entry, outcome) in zip(missing, outcomes) { sources[entry.path] = try outcome.get() }
    return sources
  }

  /// Writes the folder from the files at `sources`. Those in `written` are there already.
  ///
  /// - Returns: false if they are there no longer: another command has finished the folder, so begin again.
  private func place(
    _ sources: [ByteString: String], and written: Set<ByteString>, showing bar: inout ProgressBar
  ) throws(KacheryError) -> Bool {
    let destination = try FolderDestination(path, folder)
    guard destination.contains(written) else {
      try destination.removeHidden()
      return false
    }
    try write(sources, to: destination, showing: &bar)
    if try destination.finish() { return true }
    // The folder has appeared in the meantime, such as by another command.
    var sources = sources
    for path in written { sources[path] = "\(destination.place)/\(path)" }
    let other = try FolderDestination(path, folder)
    try write(sources, to: other, showing: &bar)
    _ = try other.finish()
    try destination.removeHidden()
    return true
  }

  private func write(
    _ sources: [ByteString: String], to destination: FolderDestination, showing bar: inout ProgressBar
  ) throws(KacheryError) {
    try destination.createFolders()
    let client = try Storage.forReading().storage.client.flatMap { $0.isRemote ? nil : $0 }
    let files = folder.allFiles
    for (number, (path, file)) in files.enumerated() {
      guard let source = sources[path] else { continue }
      let place = "\(destination.place)/\(path)"
      bar.writes(number, of: files.count)
      let uri = KacheryURI(key: FileKey(hash: file.hash), label: "")
      try LoadedFile(path: source, uri: uri, client: client).copy(to: try Destination(place), named: place)
    }
  }
}

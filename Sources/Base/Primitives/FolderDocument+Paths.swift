extension FolderDocument {
  /// What a path inside a folder leads to.
  package enum Entry: Hashable, Sendable {
    case file(File)
    case folder(FolderDocument)
  }

  /// What lies at `path`, the names from this folder down; the folder itself where there are none.
  ///
  /// - Throws: `notFound` with the first name that is not there.
  package func entry(at path: [ByteString]) throws(KacheryError) -> Entry {
    guard let name = path.first else { return .folder(self) }
    if let folder = folders.first(where: { $0.name == name }) {
      return try folder.content.entry(at: Array(path.dropFirst()))
    }
    guard path.count == 1, let file = files.first(where: { $0.name == name }) else {
      throw KacheryError(.notFound, "The folder holds no \(path.count == 1 ? "file or folder" : "folder") '\(name)'.")
    }
    return .file(file)
  }

  /// Every file below this folder with its path from here, names joined by `/`: those of a folder before those of the
  /// folders in it.
  package var allFiles: [(path: ByteString, file: File)] {
    var found: [(path: ByteString, file: File)] = []
    visit("") { path, file in found.append((path, file)) }
    return found
  }

  /// The path of every folder below this one, each before those in it: also the empty ones.
  package var allFolders: [ByteString] {
    folders.flatMap { folder in [folder.name] + folder.content.allFolders.map { "\(folder.name)/\($0)" } }
  }

  private func visit(_ prefix: String, _ body: (ByteString, File) -> Void) {
    for file in files { body("\(prefix)\(file.name)", file) }
    for folder in folders { folder.content.visit("\(prefix)\(folder.name)/", body) }
  }
}

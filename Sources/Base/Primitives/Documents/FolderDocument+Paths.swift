extension FolderDocument {
  /// A file or folder at a path inside a folder.
  package enum Entry: Hashable, Sendable {
    case file(File)
    case folder(FolderDocument)
  }

  /// The entry at `path`, the names from this folder downward; the folder itself if `path` is empty.
  ///
  /// - Throws: `notFound` with the first name that does not exist.
  package func entry(at path: [ByteString]) throws(KacheryError) -> Entry {
    guard let name = path.first else { return .folder(self) }
    if let folder = folders.first(where: { $0.name == name }) {
      return try folder.content.entry(at: Array(path.dropFirst()))
    }
    guard path.count == 1, let file = files.first(where: { $0.name == name }) else {
      throw Self.missing(name, isLast: path.count == 1)
    }
    return .file(file)
  }

  /// The entry that a URI of this folder names. Its path is percent-encoded; if there is no entry with the decoded
  /// name, the name is as the URI spells it.
  ///
  /// - Throws: `notFound` with the first name that does not exist.
  package func entry(of uri: FolderURI) throws(KacheryError) -> Entry {
    var problem: KacheryError?
    for reading in uri.readings {
      do throws(KacheryError) { return try entry(at: reading[...]) } catch { problem = error }
    }
    guard let problem else { return .folder(self) }
    throw problem
  }

  private func entry(at path: ArraySlice<FolderURI.PathPart>) throws(KacheryError) -> Entry {
    guard let part = path.first else { return .folder(self) }
    let rest = path.dropFirst()
    var problem: KacheryError?
    for name in part.spellings {
      if let folder = folders.first(where: { $0.name == name }) {
        do throws(KacheryError) { return try folder.content.entry(at: rest) } catch { problem = problem ?? error }
      } else if rest.isEmpty, let file = files.first(where: { $0.name == name }) {
        return .file(file)
      }
    }
    throw problem ?? Self.missing(part.name, isLast: rest.isEmpty)
  }

  private static func missing(_ name: ByteString, isLast: Bool) -> KacheryError {
    KacheryError(.notFound, "The folder contains no \(isLast ? "file or folder" : "folder") '\(name)'.")
  }

  /// Every file below this folder with its relative path, names joined by `/`. A folder's own files precede those of
  /// its subfolders.
  package var allFiles: [(path: ByteString, file: File)] {
    var found: [(path: ByteString, file: File)] = []
    visit("") { path, file in found.append((path, file)) }
    return found
  }

  /// The relative path of every folder below this one, including empty ones. A folder precedes its subfolders.
  package var allFolders: [ByteString] {
    folders.flatMap { folder in [folder.name] + folder.content.allFolders.map { "\(folder.name)/\($0)" } }
  }

  private func visit(_ prefix: String, _ body: (ByteString, File) -> Void) {
    for file in files { body("\(prefix)\(file.name)", file) }
    for folder in folders { folder.content.visit("\(prefix)\(folder.name)/", body) }
  }
}

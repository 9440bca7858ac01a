import APIModel
import Files
import Primitives

/// Stores a folder: every file in it, recursively, and a document of their names.
struct FolderToStore {
  let storage: Storage
  /// The folder's name for people.
  let name: String
  /// What to leave out.
  let exclusions: [GlobPattern]
  let isQuiet: Bool

  static func isFolder(_ path: String) -> Bool {
    ((try? FileSystem.statusIfPresent(path)) ?? nil)?.kind == .folder
  }

  /// - Returns: the hash of the folder's document.
  /// - Throws: `badFolder` if a name cannot be stored or folders are nested too deeply, as when a link points back to
  ///   its own folder; any error of storing a file.
  func store(_ path: String) throws(KacheryError) -> ContentHash {
    let contents = try FolderContents(path, below: "", exclusions, depth: 0)
    let sizes = contents.sizes
    let paths = sizes.keys.sorted()
    var bar = ProgressBar(name: path, isQuiet: isQuiet)
    defer { bar.end() }
    let total = FileBatch.Amount(files: paths.count, bytes: sizes.values.reduce(0) { $0 &+ $1 })
    var done = FileBatch.Amount(files: 0, bytes: 0)
    bar.update(done, of: total)
    var hashes: [ByteString: ContentHash] = [:]
    let start = ByteString(path.ends(with: "/") ? path : "\(path)/").utf8.count
    let files = FilesToStore(storage: storage, isQuiet: true) { [name] path in
      name.isEmpty ? "" : "\(name)/\(String(decoding: path.utf8.dropFirst(start), as: UTF8.self))"
    }
    for group in FilesToStore.groups(of: paths.map(\.text)) {
      for (path, outcome) in zip(group, files.store(group)) {
        hashes[ByteString(path)] = try outcome.get().hash
        done.bytes = (done.bytes ?? 0) &+ (sizes[ByteString(path)] ?? 0)
      }
      done.files = hashes.count
      bar.update(done, of: total)
    }
    let document = try contents.document(hashes).json.compactBytes
    return try storage.store(document, named: name.isEmpty ? "" : "\(name)/").hash
  }
}

/// The contents of a local folder.
private struct FolderContents {
  private var files: [(name: ByteString, path: ByteString, size: UInt64)] = []
  private var folders: [(name: ByteString, contents: FolderContents)] = []

  /// - Parameter place: the path of the folder below the one that is stored, with a slash at its end unless it is that
  ///   folder itself.
  init(_ folder: String, below place: String, _ exclusions: [GlobPattern], depth: Int) throws(KacheryError) {
    guard depth <= FolderDocument.maximumDepth else {
      throw KacheryError(
        .badFolder,
        "'\(folder.prefix(60))…' is more than \(FolderDocument.maximumDepth) folders deep; does a link point back to "
          + "its own folder?")
    }
    let (names, notUTF8) = try FileSystem.allNames(in: folder)
    if let name = notUTF8.first {
      throw KacheryError(
        .badFolder, "The name '\(name)' in '\(folder)' is not UTF-8, so it cannot be stored; rename it.")
    }
    for name in names.map({ ByteString($0) }).sorted() {
      let path = folder.ends(with: "/") ? "\(folder)\(name)" : "\(folder)/\(name)"
      let isFolder = FolderToStore.isFolder(path)
      if exclusions.contains(where: { $0.matches("\(place)\(name)", isFolder: isFolder) }) { continue }
      if isFolder {
        folders.append((name, try FolderContents(path, below: "\(place)\(name)/", exclusions, depth: depth + 1)))
      } else {
        files.append((name, ByteString(path), try Self.size(of: path)))
      }
    }
  }

  private static func size(of path: String) throws(KacheryError) -> UInt64 {
    do { return try FileSystem.status(path).size } catch {
      guard error.code == .notFound, let link = try FileSystem.statusIfPresent(path, followingLinks: false),
        link.kind == .symbolicLink
      else { throw error }
      throw KacheryError(
        .badFolder, "'\(path)' is a broken link; remove it or restore its target.")
    }
  }

  /// The size of every file in it, recursively, by path.
  var sizes: [ByteString: UInt64] {
    folders.reduce(into: Dictionary(files.map { ($0.path, $0.size) }, uniquingKeysWith: max)) { sizes, folder in
      sizes.merge(folder.contents.sizes, uniquingKeysWith: max)
    }
  }

  func document(_ hashes: [ByteString: ContentHash]) throws(KacheryError) -> FolderDocument {
    var documents: [FolderDocument.Folder] = []
    for (name, contents) in folders {
      documents.append(FolderDocument.Folder(name: name, content: try contents.document(hashes)))
    }
    return try FolderDocument(
      files: files.compactMap { name, path, size in
        hashes[path].map { FolderDocument.File(name: name, size: size, hash: $0) }
      }, folders: documents)
  }
}

extension Storage {
  /// Stores bytes.
  ///
  /// - Parameter name: for people; empty for none.
  func store(_ bytes: [UInt8], named name: String) throws(KacheryError) -> StoreReply {
    switch self {
    case .online(let client): return try client.upload(bytes, named: name)
    case .offline(let store):
      let writer = try store.beginStore()
      try writer.write(bytes)
      let receipt = try writer.finish()
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    }
  }
}

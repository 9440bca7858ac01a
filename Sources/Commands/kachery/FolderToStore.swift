import APIModel
import Files
import Glibc
import Primitives

/// Stores a folder: every file in it and below, and a document of their names.
struct FolderToStore {
  let storage: Storage

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// - Returns: the hash of the folder's document.
  /// - Throws: `badFolder` where a name cannot be stored, or folders lie too deep in one another, as they do where a link
  ///   leads back to its own folder; what storing a file throws.
  func store(_ path: String) throws(KacheryError) -> ContentHash {
    let document = try read(path, depth: 0)
    return try storage.store(document.json.compactBytes).hash
  }

  private func read(_ folder: String, depth: Int) throws(KacheryError) -> FolderDocument {
    guard depth <= FolderDocument.maximumDepth else {
      throw KacheryError(
        .badFolder,
        "'\(folder)' lies more than \(FolderDocument.maximumDepth) folders deep; does a link lead back to its own folder?"
      )
    }
    var files: [FolderDocument.File] = []
    var folders: [FolderDocument.Folder] = []
    for name in try FileSystem.names(in: folder).sorted() {
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if Self.isFolder(path) {
        folders.append(FolderDocument.Folder(name: name, content: try read(path, depth: depth + 1)))
      } else {
        let size = try FileSystem.status(path).size
        let hash = try FileToStore(path: path).store(in: storage).hash
        files.append(FolderDocument.File(name: name, size: size, hash: hash))
      }
    }
    return try FolderDocument(files: files, folders: folders)
  }
}

extension Storage {
  /// Stores bytes.
  func store(_ bytes: [UInt8]) throws(KacheryError) -> StoreReply {
    switch self {
    case .online(let client): return try client.upload(bytes)
    case .offline(let store):
      let writer = try store.beginStore()
      try writer.write(bytes)
      let receipt = try writer.finish()
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    }
  }
}

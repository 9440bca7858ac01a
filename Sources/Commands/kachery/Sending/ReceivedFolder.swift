import Crypto
import Files
import Primitives

/// The folder into which files are received. Nothing is written outside of it: links in it are not followed.
struct ReceivedFolder {
  typealias Entry = (path: ByteString, file: FolderDocument.File)

  /// What has to be done for an offer.
  struct Plan {
    let document: FolderDocument
    /// Files that are here already, with the same content.
    let present: [Entry]
    let missing: [Entry]

    var bytesPresent: UInt64 { present.reduce(0) { $0 &+ $1.file.size } }

    /// Different contents, in the order of their first files.
    var hashesToLoad: [ContentHash] {
      var seen: Set<ContentHash> = []
      return missing.map(\.file.hash).filter { seen.insert($0).inserted }
    }

    /// Bytes of these contents.
    func bytes(of hashes: some Sequence<ContentHash>) -> UInt64 {
      let sizes = Dictionary(missing.map { ($0.file.hash, $0.file.size) }) { first, _ in first }
      return hashes.reduce(0) { $0 &+ (sizes[$1] ?? 0) }
    }

    var bytesToLoad: UInt64 { bytes(of: hashesToLoad) }
  }

  private let folder: String
  private let replacesFiles: Bool

  /// - Throws: if nothing can be written there.
  init(_ folder: String, replacesFiles: Bool) throws(KacheryError) {
    try FileSystem.createFolder(folder, permissions: 0o755)
    let resolved = try FileSystem.resolved(folder)
    do throws(KacheryError) { try FileSystem.requireWritable(folder: resolved) } catch {
      throw Destination.problem("write in", folder, error)
    }
    self.folder = folder
    self.replacesFiles = replacesFiles
  }

  /// The folder of the node for the transfer with this tag, which only this user can enter. It may hold what has arrived
  /// before.
  func privateFolder(_ tag: String) throws(KacheryError) -> String {
    let path = "\(try FileSystem.resolved(folder))/.kachery-receive-\(tag)"
    if let status = try FileSystem.statusIfPresent(path, followingLinks: false) {
      guard status.kind == .folder, status.owner == FileSystem.user else {
        throw KacheryError(.storageFailed, "'\(path)' is not a folder of yours; move it away.")
      }
    }
    try FileSystem.createFolder(path, permissions: 0o700)
    // A sender that starts again makes the feed again, with another history.
    for name in ["feeds.db", "feeds.db-wal", "feeds.db-shm"] { try FileSystem.remove("\(path)/\(name)") }
    return path
  }

  /// The path of an entry, as the user would write it.
  func path(of name: ByteString) -> String { folder == "." ? name.text : "\(folder)/\(name)" }

  /// Finds out which files are missing.
  ///
  /// - Throws: if a name is not fit for a folder, or if something else has it.
  func plan(for document: FolderDocument) throws(KacheryError) -> Plan {
    for path in document.allFolders {
      try checkName(path)
      guard let status = try FileSystem.statusIfPresent(self.path(of: path), followingLinks: false) else { continue }
      guard status.kind == .folder else { throw inTheWay(path, "is not a folder") }
    }
    var (present, missing): ([Entry], [Entry]) = ([], [])
    for entry in document.allFiles {
      try checkName(entry.path)
      guard let status = try FileSystem.statusIfPresent(path(of: entry.path), followingLinks: false) else {
        missing.append(entry)
        continue
      }
      guard status.kind == .regular else { throw inTheWay(entry.path, "is not a regular file") }
      if status.size == entry.file.size, try File(path(of: entry.path), .read).hash() == entry.file.hash {
        present.append(entry)
      } else {
        guard replacesFiles else {
          throw KacheryError(
            .badRequest,
            "'\(path(of: entry.path))' exists with other content; nothing was received. Move it away, or add --overwrite, "
              + "or choose another folder with --dest.")
        }
        missing.append(entry)
      }
    }
    return Plan(document: document, present: present, missing: missing)
  }

  /// The names in a folder's document contain neither slashes nor `..`; a terminal would obey control characters.
  private func checkName(_ path: ByteString) throws(KacheryError) {
    guard path.text.isPrintable else {
      throw KacheryError(
        .badFolder, "The sender offers a file whose name contains control characters: '\(path.text.printable)'.")
    }
    guard !path.text.begins(with: ".kachery-receive-") else {
      throw KacheryError(.badFolder, "The sender offers a file with a name that this program uses itself: '\(path)'.")
    }
  }

  private func inTheWay(_ path: ByteString, _ reason: String) -> KacheryError {
    KacheryError(
      .badRequest,
      "'\(self.path(of: path))' exists and \(reason); nothing was received. Move it away, or choose another folder with "
        + "--dest.")
  }

  // MARK: Writing

  /// Puts the loaded files in place, each whole or not at all.
  ///
  /// - Parameter paths: where each content is now; the last file with a content takes it away from there.
  func place(_ plan: Plan, _ paths: [ContentHash: String]) throws(KacheryError) {
    for path in plan.document.allFolders { try FileSystem.createFolder(self.path(of: path), permissions: 0o755) }
    var uses = Dictionary(plan.missing.map { ($0.file.hash, 1) }, uniquingKeysWith: +)
    for entry in plan.missing {
      guard let source = paths[entry.file.hash] else {
        throw KacheryError(.protocolViolation, "The node did not load '\(entry.path)'; run the same command again.")
      }
      let target = path(of: entry.path)
      try requireRoom(for: entry, at: target)
      uses[entry.file.hash, default: 1] -= 1
      if uses[entry.file.hash] == 0, (try? move(source, to: target)) != nil { continue }
      let uri = KacheryURI(key: FileKey(hash: entry.file.hash), label: "")
      try LoadedFile(path: source, uri: uri, client: nil).copy(to: try Destination(target), named: target)
    }
  }

  /// Looks again: a load may take hours.
  private func requireRoom(for entry: Entry, at target: String) throws(KacheryError) {
    guard let status = try FileSystem.statusIfPresent(target, followingLinks: false) else { return }
    guard status.kind == .regular, replacesFiles else {
      throw inTheWay(entry.path, "was not there when the transfer began")
    }
  }

  /// Takes a file out of the node's folder, which is on the same file system.
  private func move(_ source: String, to target: String) throws(KacheryError) {
    // Stored files are read-only; the receiver's own file is like any other.
    try FileSystem.setPermissions(FileSystem.newFilePermissions, of: source)
    try FileSystem.rename(source, to: target)
  }
}

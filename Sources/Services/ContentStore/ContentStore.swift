package import Diagnostics
import Files
package import Primitives

/// The files of a storage directory, by hash.
///
/// A stored file gets its final name only once it is complete, verified and on the disk. Several processes may use a
/// directory concurrently. All methods block on the disk: call them only where blocking is allowed. Thread-safe.
package struct ContentStore: Sendable {
  let layout: StoreLayout
  let log: Log
  /// Cache of facts about the files; nil if the caller requested none.
  package let index: StoreIndex?
  let clientScope: ClientScope
  let activity = StoreActivity()
  let rechecks = Rechecks()
  let disk = SharedSync()

  /// The path of the storage directory.
  package var directory: String { layout.root }

  /// Opens a storage directory, creating it if it does not exist, and removes what processes that have ended left
  /// unfinished.
  ///
  /// A directory that this user can read but not write opens as well; storing then fails. If its `sha1` is a symbolic
  /// link to that of another storage directory, the files and everything that belongs to them are in that directory.
  /// - Parameters:
  ///   - indexOwner: the node whose index to open; only one process at a time may pass the same node. Nil for no index.
  ///   - clientScope: who may pass paths to this store.
  package init(
    directory: String, log: Log, indexOwner: NodeID? = nil, clientScope: ClientScope = .ownUser
  ) throws(KacheryError) {
    let directory = try Self.home(ofFilesIn: directory)
    layout = StoreLayout(root: directory)
    self.log = log
    self.clientScope = clientScope
    try FileSystem.createFolder(directory, permissions: StoreLayout.folderPermissions)
    if let indexOwner {
      let permissions = try FileSystem.status(directory).permissions & 0o777 | 0o700
      try FileSystem.createFolder(layout.own, permissions: permissions, keepsGroup: true)
      index = StoreIndex(path: layout.index(of: indexOwner), log: log)
    } else {
      index = nil
    }
    if indexOwner != nil { makePrivate(layout.own) }
    removeLeftovers()
  }

  private static func home(ofFilesIn directory: String) throws(KacheryError) -> String {
    let path = StoreLayout(root: directory).files
    guard try FileSystem.statusIfPresent(path, followingLinks: false)?.kind == .symbolicLink else { return directory }
    guard try FileSystem.statusIfPresent(path)?.kind == .folder else {
      throw KacheryError(
        .badConfiguration, "\(path) is a symbolic link to a folder that is not there; mount it, or correct the link.")
    }
    let folder = try File(path, .read)
    defer { folder.close() }
    // A folder with another name is not part of another storage directory.
    guard let home = try folder.truePath()?.removing(suffix: "/sha1") else { return directory }
    return String(home)
  }

  /// Cancels all running storing and linking at the next block, because the process is ending. Nothing of it is left
  /// behind.
  package func endLongWork() { activity.end() }

  /// The file with this hash; nil if it is neither stored nor validly linked.
  ///
  /// Hashes a file first, at about a second per gigabyte, if it no longer looks as it did when it was stored or linked.
  /// - Throws: `hashMismatch` if the stored file was altered, and then it has been set aside; `fileChanged` if a linked
  ///   file has other bytes, although its size and time are the same.
  package func find(_ hash: ContentHash) throws(KacheryError) -> StoredFile? {
    if let size = try wholeFile(hash) { return StoredFile(hash: hash, size: size, path: layout.file(hash), link: nil) }
    return try findLinked(hash)
  }

  static func notRegular(_ path: String) -> KacheryError {
    KacheryError(.storageFailed, "\(path) is not a regular file; remove it and store again.")
  }

  /// The link to the file with this hash; nil if there is none, or it is damaged.
  func link(_ hash: ContentHash) throws(KacheryError) -> LinkDocument? {
    let path = layout.link(hash)
    guard try FileSystem.statusIfPresent(path) != nil else { return nil }
    do {
      return try LinkDocument(parsing: try FileSystem.read(path, limit: LinkDocument.maximumSize), path: path)
    } catch  where error.code != .permissionDenied {
      if activity.isNews(brokenLink: hash) { log.warning("\(error.message)") }
      return nil
    }
  }

  /// Opens the file with this hash; nil if `find` finds none.
  ///
  /// - Throws: as `find`; `fileChanged` also if a linked file changed between being found and being opened.
  package func open(_ hash: ContentHash) throws(KacheryError) -> StoredFileReader? {
    // Taken before opening, so that the file is not removed in between to make room.
    let use = FileUse(hash, activity)
    var reader = try openStored(hash, use)
    if reader == nil { reader = try openLinked(hash, use) }
    if let reader { index?.noteUse(of: hash, size: reader.size) }
    return reader
  }

  /// Opens a file without finding it first: most requests come from callers that know it is stored.
  private func openStored(_ hash: ContentHash, _ use: FileUse) throws(KacheryError) -> StoredFileReader? {
    guard let file = try openHere(hash) else { return nil }
    let status = try file.status()
    guard status.kind == .regular else { throw Self.notRegular(file.path) }
    if needsRecheck(hash, status) { try requireWhole(hash, file) }
    return StoredFileReader(hash, file, size: status.size, use)
  }

  /// Opens whatever is at the path of the stored file; nil if there is nothing.
  func openHere(_ hash: ContentHash) throws(KacheryError) -> File? {
    do throws(KacheryError) { return try File(layout.file(hash), .readHere) } catch {
      if error.code == .notFound { return nil }
      throw error.isUnwantedLink ? Self.notRegular(layout.file(hash)) : error
    }
  }

  private func openLinked(_ hash: ContentHash, _ use: FileUse) throws(KacheryError) -> StoredFileReader? {
    guard let found = try findLinked(hash) else { return nil }
    do throws(KacheryError) { return try StoredFileReader(linked: found, use, clientScope) } catch {
      // It was removed after it was found, so it is not here.
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// The manifest stored under `manifestHash`; nil if there is none.
  ///
  /// - Throws: `badManifest` if that file is not a manifest, or not a manifest of the file `hash`; `hashMismatch` if it
  ///   is damaged.
  package func manifest(for hash: ContentHash, named manifestHash: ContentHash) throws(KacheryError) -> Manifest? {
    guard let reader = try open(manifestHash) else { return nil }
    defer { reader.close() }
    guard reader.size <= Limits.maximumManifestSize else {
      throw KacheryError(.badManifest, "The file \(manifestHash) is too large for a manifest; check the URI.")
    }
    let manifest = try ManifestReading(reader).manifest()
    guard manifest.hash == hash else {
      throw KacheryError(.badManifest, "\(manifestHash) is the manifest of \(manifest.hash), not of \(hash).")
    }
    return manifest
  }
}

import APIModel
import Database
import Files
package import Primitives

/// Puts a backup into a storage directory: all of it or nothing.
package struct Restoration {
  /// What was done, or would be.
  package struct Outcome: Sendable {
    /// The folder to which files were moved that were in the way and held nothing; nil if there were none.
    package var aside: String?
    /// Files for programs on other machines that were kept in the directory of the configuration.
    package var kept: [String] = []
  }

  private let archive: BackupArchive
  private let directory: String
  private let configurationDirectory: String
  private let pinsFolder: (String) throws(KacheryError) -> String
  /// The folder in which everything is put together first. What is in it is of no use afterwards.
  package let staging: String
  /// Where files go that are in the way.
  private let aside: String

  /// - Parameters:
  ///   - directory: the storage directory; created if it does not exist.
  ///   - configurationDirectory: where the files for programs on other machines go.
  ///   - isIntoExisting: whether the directory may hold something already.
  ///   - pinsFolder: the folder of pins of a storage directory.
  /// - Throws: if the directory cannot take the backup.
  package init(
    of archive: BackupArchive, into directory: String, configurationDirectory: String, isIntoExisting: Bool,
    pinsFolder: @escaping (_ directory: String) throws(KacheryError) -> String
  ) throws(KacheryError) {
    self.archive = archive
    self.directory = directory
    self.configurationDirectory = configurationDirectory
    self.pinsFolder = pinsFolder
    aside = "\(directory)/kachery-node/before-restore-\(FileSystem.now)"
    let suffix = "restoring.\(FileSystem.processID)"
    guard let status = try FileSystem.statusIfPresent(directory) else {
      staging = "\(directory).\(suffix)"
      return
    }
    guard status.kind == .folder else {
      throw KacheryError(.badRequest, "\(directory) is not a folder; name a storage directory, or one to be created.")
    }
    staging = "\(directory)/.\(suffix)"
    let names = try FileSystem.names(in: directory).filter { ByteString($0) != "lost+found" }
    guard names.isEmpty || isIntoExisting else {
      throw KacheryError(
        .badRequest,
        "\(directory) is not empty, so nothing was restored. Name a new directory with --storage-dir; or add "
          + "--into-existing, which keeps the files stored there.")
    }
  }

  private var isNew: Bool { get throws(KacheryError) { try FileSystem.statusIfPresent(directory) == nil } }

  /// Says what `perform` would do, and changes nothing.
  package func preview() throws(KacheryError) -> Outcome {
    guard try !isNew else { return Outcome() }
    let lock = "\(directory)/\(APIVersion.lockName)"
    if FileSystem.exists(lock) { try take(lock).release() }
    try requireSameNode()
    let isMoving = try !inTheWay().isEmpty
    return Outcome(aside: isMoving ? aside : nil, kept: try configurationFilesKept())
  }

  private func take(_ lock: String) throws(KacheryError) -> LockFile {
    try LockFile(lock, protecting: "The storage directory \(directory)")
  }

  /// Restores the backup.
  ///
  /// - Throws: `alreadyRunning` if a daemon uses the directory, `forbidden` if data of another node or feeds are there;
  ///   `diskFull` and other errors of the disk. Everything is then as it was.
  package func perform() throws(KacheryError) -> Outcome {
    try requireRoom()
    let isNew = try self.isNew
    var undo: [() -> Void] = []
    do throws(KacheryError) {
      var outcome = Outcome(kept: try configurationFilesKept())
      if isNew {
        try stage()
        try placeConfiguration(besides: outcome.kept, &undo)
        try FileSystem.rename(staging, to: directory)
        undo.append { try? FileSystem.rename(directory, to: staging) }
        try FileSystem.syncFolder(FileSystem.parent(of: directory))
      } else {
        try FileSystem.createFolder("\(directory)/kachery-node", permissions: 0o755)
        let lock = try take("\(directory)/\(APIVersion.lockName)")
        defer { lock.release() }
        try requireSameNode()
        let waiting = try inTheWay()
        try stage()
        try placeConfiguration(besides: outcome.kept, &undo)
        if !waiting.isEmpty { outcome.aside = aside }
        for name in waiting {
          try move("\(directory)/\(name)", to: "\(aside)/\(name)", &undo)
        }
        for part in archive.parts where part.home == .storage && !FileSystem.exists("\(directory)/\(part.name)") {
          try move("\(staging)/\(part.name)", to: "\(directory)/\(part.name)", &undo)
        }
        try addLists(to: directory, &undo)
        try FileSystem.syncFileSystem(holding: directory)
        // What is left there is in its place already.
        try? FileSystem.removeTree(staging)
      }
      return outcome
    } catch {
      for step in undo.reversed() { step() }
      try? FileSystem.removeTree(staging)
      throw error
    }
  }

  // MARK: What is there

  private func requireRoom() throws(KacheryError) {
    let place = try isNew ? Self.existing(above: directory) : directory
    let room = try FileSystem.availableBytes(at: place)
    guard archive.totalSize < room else {
      throw KacheryError(
        .diskFull,
        "The backup takes \(Quantity.bytes(Double(archive.totalSize))), and \(place) has room for "
          + "\(Quantity.bytes(Double(room))); free some space, or name a directory on another disk.")
    }
  }

  /// The nearest folder above a path that exists.
  private static func existing(above path: String) -> String {
    var folder = FileSystem.parent(of: path)
    while !FileSystem.exists(folder), folder != FileSystem.parent(of: folder) { folder = FileSystem.parent(of: folder) }
    return folder
  }

  private func requireSameNode() throws(KacheryError) {
    let key = BackupPart.privateKey
    if FileSystem.exists("\(directory)/\(key.name)") {
      guard try isSame(key) else { throw another("its key, private.pem,") }
    }
    let path = "\(directory)/kachery-node-id"
    guard FileSystem.exists(path) else { return }
    guard NodeID(hex: String(decoding: try FileSystem.read(path, limit: 1_024), as: UTF8.self)) == archive.node else {
      throw another("kachery-node-id")
    }
  }

  private func another(_ file: String) -> KacheryError {
    KacheryError(
      .forbidden,
      "\(directory) belongs to another node than the backup, as \(file) says, so nothing was restored. Restore to a new "
        + "directory, and move the folder sha1 of this one there if you want to keep its files.")
  }

  /// The paths below the directory of what the backup has as well, if it is not the same and can be moved out of the way.
  ///
  /// - Throws: `forbidden` if it cannot: a database that is not empty.
  private func inTheWay() throws(KacheryError) -> [String] {
    var paths: [String] = []
    for part in archive.parts where part.home == .storage {
      guard FileSystem.exists("\(directory)/\(part.name)"), try !isSame(part) else { continue }
      if part.maximumSize == nil { try requireEmpty(part) }
      paths += [part.name, "\(part.name)-wal", "\(part.name)-shm"].filter { FileSystem.exists("\(directory)/\($0)") }
    }
    return paths
  }

  private func isSame(_ part: BackupPart) throws(KacheryError) -> Bool {
    guard let entry = archive.entry(of: part) else { return false }
    let file = try File("\(directory)/\(part.name)", .read)
    defer { file.close() }
    guard try file.status().size == entry.size else { return false }
    return try FileDigest.of(file) == entry.digest
  }

  private func requireEmpty(_ part: BackupPart) throws(KacheryError) {
    let connection = try Connection("\(directory)/\(part.name)", journal: .asFound)
    defer { connection.close() }
    guard try StoredCounts.isEmpty(part, connection) else {
      throw KacheryError(
        .forbidden,
        "\(directory)/\(part.name) holds \(part == .feeds ? "feeds" : "values") of its own, which would be lost, so "
          + "nothing was restored. Restore to a new directory; or move that file away, with those named \(part.name)-… "
          + "beside it, if you need it no more.")
    }
  }

  // MARK: Putting it there

  /// Writes everything to the staging folder, and checks the databases there.
  private func stage() throws(KacheryError) {
    try FileSystem.createFolder(FileSystem.parent(of: staging), permissions: 0o755)
    try FileSystem.createFolder(staging, permissions: 0o700)
    for part in archive.parts where part.home == .storage {
      let path = "\(staging)/\(part.name)"
      let folder = FileSystem.parent(of: path)
      try FileSystem.createFolder(
        folder, permissions: folder == "\(staging)/\(BackupPart.channels)" ? 0o700 : 0o755)
      try archive.copy(part, to: path)
    }
    try checkDatabases()
    if try isNew {
      var undo: [() -> Void] = []
      try addLists(to: staging, &undo)
      try FileSystem.setPermissions(0o755, of: staging)
    }
    try FileSystem.syncFileSystem(holding: staging)
  }

  private func checkDatabases() throws(KacheryError) {
    var counts = BackupManifest.Counts()
    for part in archive.parts where part.maximumSize == nil {
      let connection = try Connection("\(staging)/\(part.name)", journal: .asFound)
      defer { connection.close() }
      if let damage = try connection.damage() {
        throw BackupManifest.damaged("its file \(part.name) is damaged (\(damage))")
      }
      // A view or a trigger would act in the daemon's name.
      guard try connection.firstRow("SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index')") == nil else {
        throw BackupManifest.damaged("its file \(part.name) is not a database of kachery")
      }
      try StoredCounts.count(part, connection, into: &counts)
    }
    counts.pins = UInt64(try archive.list(.pins).count)
    guard counts == archive.manifest.counts else {
      throw BackupManifest.damaged("there is not as much in it as its manifest says")
    }
  }

  private func addLists(to directory: String, _ undo: inout [() -> Void]) throws(KacheryError) {
    let lists = [
      (BackupPart.pins, try pinsFolder(directory), 0o755 as UInt32),
      (.replicas, "\(directory)/\(BackupPart.replicaFolder)", 0o700),
    ]
    for (part, folder, permissions) in lists {
      let hashes = try archive.list(part)
      guard !hashes.isEmpty else { continue }
      try FileSystem.createFolder(folder, permissions: permissions)
      for hash in hashes where !FileSystem.exists("\(folder)/\(hash)") {
        let path = "\(folder)/\(hash)"
        try File(path, .createNew(permissions: 0o600)).close()
        undo.append { try? FileSystem.remove(path) }
      }
    }
  }

  private func move(_ path: String, to newPath: String, _ undo: inout [() -> Void]) throws(KacheryError) {
    try FileSystem.createFolder(
      FileSystem.parent(of: newPath), permissions: newPath.begins(with: aside) ? 0o700 : 0o755)
    try FileSystem.rename(path, to: newPath)
    undo.append { try? FileSystem.rename(newPath, to: path) }
  }

  // MARK: For programs on other machines

  /// The files in the directory of the configuration that differ from those in the backup, which stay.
  private func configurationFilesKept() throws(KacheryError) -> [String] {
    var kept: [String] = []
    for part in archive.parts where part.home == .configuration {
      let path = "\(configurationDirectory)/\(part.nameInConfiguration)"
      guard FileSystem.exists(path) else { continue }
      if try FileSystem.read(path, limit: part.maximumSize ?? 0) != archive.bytes(of: part) { kept.append(path) }
    }
    return kept
  }

  private func placeConfiguration(besides kept: [String], _ undo: inout [() -> Void]) throws(KacheryError) {
    // A key and its certificate belong together.
    guard kept.isEmpty else { return }
    for part in archive.parts where part.home == .configuration {
      let path = "\(configurationDirectory)/\(part.nameInConfiguration)"
      guard !FileSystem.exists(path), let bytes = try archive.bytes(of: part) else { continue }
      try FileSystem.createFolder(configurationDirectory, permissions: 0o700)
      // It may be there although saving its name fails.
      undo.append { try? FileSystem.remove(path) }
      try FileSystem.replace(path, with: bytes, permissions: 0o600)
    }
  }
}

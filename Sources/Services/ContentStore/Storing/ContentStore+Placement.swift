import Crypto
import Files
import Primitives

extension ContentStore {
  /// Permissions of a new folder: the same as the storage directory's, so that a group's shared directory stays shared.
  func folderPermissions() throws(KacheryError) -> UInt32 {
    try FileSystem.status(layout.root).permissions & 0o777 | 0o700
  }

  /// Creates one of this software's own folders.
  func prepareOwnFolder(_ path: String) throws(KacheryError) {
    // All users reach the daemon's socket through the folder above.
    if try FileSystem.statusIfPresent(layout.own) == nil {
      try FileSystem.createFolder(layout.own, permissions: try folderPermissions(), keepsGroup: true)
    }
    try FileSystem.createFolder(path, permissions: try permissions(ofFolder: path), keepsGroup: true)
  }

  /// Permissions of a new folder at this path: this software's own are for those alone who may write to the storage
  /// directory.
  private func permissions(ofFolder path: String) throws(KacheryError) -> UInt32 {
    let shared = try folderPermissions()
    return path.begins(with: "\(layout.own)/") ? StoreLayout.ownFolderPermissions(in: shared) : shared
  }

  /// Gives a complete file, whose bytes are known to have this hash, its final name, and returns once both are on the
  /// disk. If a file known to be whole has that name already, it stays and the new one is removed; any other is
  /// replaced.
  func admit(_ file: File, as hash: ContentHash, size: UInt64) throws(KacheryError) {
    let present = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false)
    if let present, present.size == size, isKnownWhole(hash, present) {
      try FileSystem.remove(file.path)
      index?.note(hash, size: size, manifest: nil)
      return
    }
    if let present { tellOfDamage(present, hash, size: size) }
    let permissions = StoreLayout.filePermissions
    try place(file, at: layout.file(hash), in: layout.folder(of: hash), permissions: permissions)
    if present?.size != size { activity.grew(by: size) }
    index?.note([(hash, FileStamp(try file.status()))])
  }

  /// Gives a complete file its final name in this folder, and returns once both are on the disk.
  func place(
    _ file: File, at final: String, in folder: String, permissions: UInt32
  ) throws(KacheryError) {
    try file.sync()
    let changed = try FileSystem.createFolder(
      folder, permissions: try self.permissions(ofFolder: folder), keepsGroup: true)
    // Not earlier: if the process ended first, a read-only file could not be resumed.
    try file.setPermissions(permissions)
    try FileSystem.rename(file.path, to: final)
    // All of them last: on a journaling file system the first sync covers the others as well.
    for folder in [folder] + changed { try FileSystem.syncFolder(folder) }
  }

  /// Logs that a file about to be replaced has the wrong size.
  func tellOfDamage(_ status: FileStatus, _ hash: ContentHash, size: UInt64) {
    guard status.kind != .regular || status.size != size else { return }
    log.warning("\(layout.file(hash)) was damaged (\(status.size) bytes instead of \(size)); a whole copy replaces it.")
  }

  /// - Throws: `hashMismatch` unless the bytes have this hash.
  func verify(_ bytes: [UInt8], _ hash: ContentHash) throws(KacheryError) {
    guard ContentHash.of(bytes) == hash else { throw Self.damaged(hash) }
  }

  static func damaged(_ hash: ContentHash) -> KacheryError {
    KacheryError(.hashMismatch, "The stored file \(hash) is damaged; remove it and load or store it again.")
  }
}

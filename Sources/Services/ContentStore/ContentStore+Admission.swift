import Crypto
import Files
import Primitives

extension ContentStore {
  /// Permissions of a new folder: those of the storage directory, so that a directory shared by a group stays shared.
  func folderPermissions() throws(KacheryError) -> UInt32 {
    try FileSystem.status(layout.root).permissions & 0o777 | 0o700
  }

  /// Makes one of this software's own folders.
  func prepareOwnFolder(_ path: String) throws(KacheryError) {
    try FileSystem.createFolder(path, permissions: try folderPermissions())
  }

  /// Gives a complete file, whose bytes are known to have this hash, its final name, and returns once both are on the
  /// disk. Where the store has the file already, that one stays and the new one is removed.
  func admit(_ file: File, as hash: ContentHash, size: UInt64) throws(KacheryError) {
    if try isPresent(hash, size: size) {
      try FileSystem.remove(file.path)
    } else {
      try place(file, at: layout.file(hash), in: hash)
      activity.grew(by: size)
    }
    index?.note(hash, size: size, manifest: nil)
  }

  /// Gives a complete file its final name in the folder of this hash, and returns once both are on the disk.
  func place(_ file: File, at final: String, in hash: ContentHash) throws(KacheryError) {
    try file.setPermissions(StoreLayout.filePermissions)
    try file.sync()
    let changed = try FileSystem.createFolder(layout.folder(of: hash), permissions: try folderPermissions())
    try FileSystem.rename(file.path, to: final)
    // All at the end: the first of them saves the others as well on a journaling file system.
    for folder in [layout.folder(of: hash)] + changed { try FileSystem.syncFolder(folder) }
  }

  /// Whether the store has the file as a whole, as far as its size tells.
  func isPresent(_ hash: ContentHash, size: UInt64) throws(KacheryError) -> Bool {
    guard let status = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false) else { return false }
    if status.kind == .regular, status.size == size { return true }
    log.warning("\(layout.file(hash)) was damaged (\(status.size) bytes instead of \(size)); a whole copy replaces it.")
    return false
  }

  /// - Throws: `hashMismatch` unless the bytes have this hash.
  func verify(_ bytes: [UInt8], _ hash: ContentHash) throws(KacheryError) {
    guard ContentHash.of(bytes) == hash else { throw Self.damaged(hash) }
  }

  static func damaged(_ hash: ContentHash) -> KacheryError {
    KacheryError(.hashMismatch, "The stored file \(hash) is damaged; remove it and load or store it again.")
  }
}

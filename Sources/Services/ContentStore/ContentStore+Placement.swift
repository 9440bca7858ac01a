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
  /// disk. A file that is there and is known to be whole stays, and the new one is removed; any other is replaced.
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
    let changed = try FileSystem.createFolder(folder, permissions: try folderPermissions())
    // Only now: a file that may not be written could not be received further if the process ended before.
    try file.setPermissions(permissions)
    try FileSystem.rename(file.path, to: final)
    // All at the end: the first of them saves the others as well on a journaling file system.
    for folder in [folder] + changed { try FileSystem.syncFolder(folder) }
  }

  /// Says of a file that is about to be replaced that it has another size than it should.
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

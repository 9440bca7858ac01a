import CPosix
package import Primitives

extension File {
  /// The file's current kind, size and times.
  package func status() throws(KacheryError) -> FileStatus {
    var status = stat()
    try call("inspect") { CPosix_fstat($0, &status) }
    return FileStatus(status)
  }

  /// Returns once everything written so far is on the disk; for a folder, the names in it.
  package func sync() throws(KacheryError) { try call("save to disk") { CPosix_fsync($0) } }

  /// Hints that the system should start writing these bytes to the disk, so that a later `sync()` waits less.
  package func startWriting(_ range: ByteRange) {
    guard let start = off_t(exactly: range.start), let count = off_t(exactly: range.count) else { return }
    _ = try? call("save to disk") { CPosix_start_writing($0, start, count) }
  }

  /// Hints that the system should start reading these bytes into memory, so that a later `read` waits less. Blocks
  /// while the system allocates that memory.
  package func startReading(_ range: ByteRange) {
    guard let start = off_t(exactly: range.start), let count = off_t(exactly: range.count) else { return }
    _ = try? call("read") { CPosix_start_reading($0, start, count) }
  }

  /// Makes the file exactly `size` bytes long.
  package func truncate(to size: UInt64) throws(KacheryError) {
    guard let size = off_t(exactly: size) else {
      throw KacheryError(.badRequest, "No file can have \(size) bytes; ask for fewer.")
    }
    try call("resize") { CPosix_ftruncate($0, size) }
  }

  /// Sets the permissions to exactly these, regardless of the umask.
  package func setPermissions(_ permissions: UInt32) throws(KacheryError) {
    try call("change the permissions of") { CPosix_fchmod($0, permissions) }
  }

  /// Changes the group of the file.
  package func setGroup(_ group: UInt32) throws(KacheryError) {
    try call("change the group of") { CPosix_fchown_group($0, group) }
  }

  /// Names a file that was created without a name.
  ///
  /// - Parameter folder: an open folder to which the path is relative.
  /// - Throws: an error with `systemNumber` EEXIST if the name is taken.
  package func link(to path: String, in folder: File) throws(KacheryError) {
    try call("name a new file in", with: folder) { descriptor, folder in
      path.withCString { CPosix_link_open(descriptor, folder, $0) }
    }
  }

  /// Takes the file's advisory lock, which is released when the file is closed or the process ends in any way.
  ///
  /// - Returns: false if another open file, in this process or another, holds the lock.
  package func tryLock() throws(KacheryError) -> Bool {
    do {
      try call("lock") { CPosix_flock($0, LOCK_EX | LOCK_NB) }
      noteLocked()
      return true
    } catch  where error.systemNumber == EWOULDBLOCK { return false }
  }

  /// The current path of this open file, without symbolic links; nil if it was removed.
  package func truePath() throws(KacheryError) -> String? {
    var target = [CChar](repeating: 0, count: 8_192)
    let count = try call("find the place of") { CPosix_readlink("/proc/self/fd/\($0)", &target, target.count) }
    let bytes = target.prefix(count).map { UInt8(bitPattern: $0) }
    guard count < target.count, let path = String(validating: bytes, as: UTF8.self), path.begins(with: "/") else {
      return nil
    }
    return try isStill(at: path) ? path : nil
  }

  /// Whether the path under which this file was opened still names it: it was not removed, replaced or renamed.
  ///
  /// - Parameter followingLinks: whether the path may be a symbolic link to the file.
  package func isStillAtItsPath(followingLinks: Bool = false) throws(KacheryError) -> Bool {
    try isStill(at: path, followingLinks: followingLinks)
  }

  private func isStill(at path: String, followingLinks: Bool = false) throws(KacheryError) -> Bool {
    guard let there = try FileSystem.statusIfPresent(path, followingLinks: followingLinks) else { return false }
    return there.isSameFile(as: try status())
  }
}

extension FileSystem {
  /// Whether an access control list extends or restricts the file's permission bits.
  package static func hasAccessList(_ path: String) -> Bool {
    path.withCString { CPosix_getxattr($0, "system.posix_acl_access") } > 0
  }

  /// The number of the group with this name; nil if there is none.
  package static func group(named name: String) -> UInt32? {
    let group = CPosix_group(name)
    return group < 0 ? nil : UInt32(group)
  }
}

import CPosix
package import Primitives

extension File {
  /// The file's kind, size and times now.
  package func status() throws(KacheryError) -> FileStatus {
    var status = stat()
    try call("inspect") { CPosix_fstat($0, &status) }
    return FileStatus(status)
  }

  /// Returns once everything written so far is on the disk; of a folder, the names in it.
  package func sync() throws(KacheryError) { try call("save to disk") { CPosix_fsync($0) } }

  /// Asks the system to begin writing these bytes to the disk, so that a later `sync()` waits less. A hint only.
  package func startWriting(_ range: ByteRange) {
    guard let start = off_t(exactly: range.start), let count = off_t(exactly: range.count) else { return }
    _ = try? call("save to disk") { CPosix_start_writing($0, start, count) }
  }

  /// Asks the system to begin reading these bytes into memory, so that a later `read` waits less. A hint only. It takes as
  /// long as finding memory for them does.
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

  /// Sets the permissions to exactly these, whatever the process's umask.
  package func setPermissions(_ permissions: UInt32) throws(KacheryError) {
    try call("change the permissions of") { CPosix_fchmod($0, permissions) }
  }

  /// Gives the file to a group.
  package func setGroup(_ group: UInt32) throws(KacheryError) {
    try call("change the group of") { CPosix_fchown_group($0, group) }
  }

  /// Gives a file that was created without a name this one.
  ///
  /// - Parameter folder: an open one where the path begins.
  /// - Throws: `systemNumber` is EEXIST if something has the name.
  package func link(to path: String, in folder: File) throws(KacheryError) {
    try call("name a new file in", with: folder) { descriptor, folder in
      path.withCString { CPosix_link_open(descriptor, folder, $0) }
    }
  }

  /// Takes the file's advisory lock, which ends with the file being closed or with the process, however it ends.
  ///
  /// - Returns: false if another open file holds it, in this process or another one.
  package func tryLock() throws(KacheryError) -> Bool {
    do {
      try call("lock") { CPosix_flock($0, LOCK_EX | LOCK_NB) }
      return true
    } catch  where error.systemNumber == EWOULDBLOCK { return false }
  }

  /// The path without symbolic links at which this open file lies now; nil if it has been removed.
  package func truePath() throws(KacheryError) -> String? {
    var target = [CChar](repeating: 0, count: 8_192)
    let count = try call("find the place of") { CPosix_readlink("/proc/self/fd/\($0)", &target, target.count) }
    let bytes = target.prefix(count).map { UInt8(bitPattern: $0) }
    guard count < target.count, let path = String(validating: bytes, as: UTF8.self), path.begins(with: "/") else {
      return nil
    }
    return try isStill(at: path) ? path : nil
  }

  /// Whether the path under which this file was opened still names it: nobody removed, replaced or renamed it.
  ///
  /// - Parameter followingLinks: whether a symbolic link to it will do.
  package func isStillAtItsPath(followingLinks: Bool = false) throws(KacheryError) -> Bool {
    try isStill(at: path, followingLinks: followingLinks)
  }

  private func isStill(at path: String, followingLinks: Bool = false) throws(KacheryError) -> Bool {
    guard let there = try FileSystem.statusIfPresent(path, followingLinks: followingLinks) else { return false }
    return there.isSameFile(as: try status())
  }
}

extension FileSystem {
  /// Whether an access control list adds to, or takes from, what the permissions of the file say.
  package static func hasAccessList(_ path: String) -> Bool {
    path.withCString { CPosix_getxattr($0, "system.posix_acl_access") } > 0
  }

  /// The number of the group with this name; nil if there is none.
  package static func group(named name: String) -> UInt32? {
    let group = CPosix_group(name)
    return group < 0 ? nil : UInt32(group)
  }
}

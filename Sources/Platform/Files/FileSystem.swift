import CPosix
import Glibc
package import Primitives

/// Operations on paths. All of them block on the disk: call them only where blocking is allowed.
package enum FileSystem {
  /// Calls `body` with the path as a C string and turns a negated errno into an error.
  @discardableResult
  static func check(_ attempt: String, _ path: String, _ body: (UnsafePointer<CChar>) -> Int32) throws(KacheryError)
    -> Int32
  {
    try requireNameable(path, attempt)
    let result = FileFault.current?.strike().map { 0 - $0 } ?? path.withCString(body)
    guard result >= 0 else { throw KacheryError.file(attempt, path, errno: -result) }
    return result
  }

  /// As above for a path relative to an open folder; nil for any other path.
  @discardableResult
  static func check(
    _ attempt: String, _ path: String, in folder: File?, _ body: (Int32, UnsafePointer<CChar>) -> Int32
  ) throws(KacheryError) -> Int32 {
    guard let folder else { return try check(attempt, path) { body(AT_FDCWD, $0) } }
    try requireNameable(path, attempt)
    return try folder.call(attempt) { descriptor in path.withCString { body(descriptor, $0) } }
  }

  /// A C string ends at the first zero byte, so such a path would name another file.
  private static func requireNameable(_ path: String, _ attempt: String) throws(KacheryError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw KacheryError(
        .badRequest, "Could not \(attempt) a file whose path is empty or contains a zero byte; check it.")
    }
  }

  /// The status of the file at `path`.
  ///
  /// - Parameters:
  ///   - followingLinks: whether to report the target of a symbolic link instead of the link.
  ///   - folder: an open folder to which the path is relative; nil for any other path.
  package static func status(
    _ path: String, followingLinks: Bool = true, in folder: File? = nil
  ) throws(KacheryError) -> FileStatus {
    var status = stat()
    try check("inspect", path, in: folder) {
      followingLinks ? CPosix_stat($0, $1, &status) : CPosix_lstat($0, $1, &status)
    }
    return FileStatus(status)
  }

  /// The status of the file at `path`; nil if there is none.
  package static func statusIfPresent(
    _ path: String, followingLinks: Bool = true, in folder: File? = nil
  ) throws(KacheryError) -> FileStatus? {
    var status = stat()
    var isMissing = false
    // A missing file is the most frequent result, and constructing an error would be more expensive than the call.
    try check("inspect", path, in: folder) { folder, path in
      let result = followingLinks ? CPosix_stat(folder, path, &status) : CPosix_lstat(folder, path, &status)
      isMissing = result == -ENOENT || result == -ENOTDIR
      return isMissing ? 0 : result
    }
    return isMissing ? nil : FileStatus(status)
  }

  /// Renames a file within a file system, atomically replacing any file at the new path.
  package static func rename(_ path: String, to newPath: String) throws(KacheryError) {
    try check("rename to \(newPath) the file", path) { old in
      newPath.withCString { CPosix_rename(old, $0) }
    }
  }

  /// Removes a file. A missing file is not an error.
  package static func remove(_ path: String) throws(KacheryError) {
    do { try check("remove", path) { CPosix_unlink($0) } } catch  where error.systemNumber == ENOENT {}
  }

  /// Bytes available to this user on the file system of `path`.
  package static func availableBytes(at path: String) throws(KacheryError) -> UInt64 {
    var status = statvfs()
    try check("inspect", path) { CPosix_statvfs($0, &status) }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? .max : bytes
  }

  /// The path up to its last slash: the folder of the file.
  package static func parent(of path: String) -> String {
    let (folder, name) = path.cut(atLast: "/")
    guard name != nil else { return "." }
    return folder.isEmpty ? "/" : String(folder)
  }

  /// The absolute path of a file or folder, without symbolic links.
  package static func resolved(_ path: String) throws(KacheryError) -> String {
    guard let resolved = realpath(path, nil) else { throw .file("find", path, errno: errno) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Whether anything exists at this path.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether this user may read the file at this path.
  package static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// Whether this user may write to the file at this path.
  package static func isWritable(_ path: String) -> Bool { access(path, W_OK) == 0 }

  /// Throws unless this user may create files in a folder.
  package static func requireWritable(folder: String) throws(KacheryError) {
    guard access(folder, W_OK | X_OK) == 0 else { throw .file("write in", folder, errno: errno) }
  }
}

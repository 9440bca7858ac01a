import CPosix
import Glibc
package import Primitives

/// Operations on paths. All of them wait for the disk: call them where waiting is allowed.
package enum FileSystem {
  /// Calls `body` with the path for C and turns a negated errno into an error.
  @discardableResult
  static func check(_ attempt: String, _ path: String, _ body: (UnsafePointer<CChar>) -> Int32) throws(KacheryError)
    -> Int32
  {
    try requireNameable(path, attempt)
    let result = FileFault.current?.strike().map { 0 - $0 } ?? path.withCString(body)
    guard result >= 0 else { throw KacheryError.file(attempt, path, errno: -result) }
    return result
  }

  /// As above for a path that begins at an open folder, from where the system walks it; nil for one that stands by itself.
  @discardableResult
  static func check(
    _ attempt: String, _ path: String, in folder: File?, _ body: (Int32, UnsafePointer<CChar>) -> Int32
  ) throws(KacheryError) -> Int32 {
    guard let folder else { return try check(attempt, path) { body(AT_FDCWD, $0) } }
    try requireNameable(path, attempt)
    return try folder.call(attempt) { descriptor in path.withCString { body(descriptor, $0) } }
  }

  /// C ends a string at the first zero byte, so the path would name another file than the caller means.
  private static func requireNameable(_ path: String, _ attempt: String) throws(KacheryError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw KacheryError(.badRequest, "Could not \(attempt) a file whose path is empty or holds a zero byte; check it.")
    }
  }

  /// What lies at `path`.
  ///
  /// - Parameters:
  ///   - followingLinks: whether a symbolic link stands for what it names.
  ///   - folder: an open one where the path begins; nil for a path that stands by itself.
  package static func status(
    _ path: String, followingLinks: Bool = true, in folder: File? = nil
  ) throws(KacheryError) -> FileStatus {
    var status = stat()
    try check("inspect", path, in: folder) {
      followingLinks ? CPosix_stat($0, $1, &status) : CPosix_lstat($0, $1, &status)
    }
    return FileStatus(status)
  }

  /// What lies at `path`; nil if nothing does.
  package static func statusIfPresent(
    _ path: String, followingLinks: Bool = true, in folder: File? = nil
  ) throws(KacheryError) -> FileStatus? {
    var status = stat()
    var isMissing = false
    // That something is missing is the most frequent answer, and an error costs more than the question.
    try check("inspect", path, in: folder) { folder, path in
      let result = followingLinks ? CPosix_stat(folder, path, &status) : CPosix_lstat(folder, path, &status)
      isMissing = result == -ENOENT || result == -ENOTDIR
      return isMissing ? 0 : result
    }
    return isMissing ? nil : FileStatus(status)
  }

  /// Gives a file a new path on the same file system; what was there before is replaced in one step.
  package static func rename(_ path: String, to newPath: String) throws(KacheryError) {
    try check("rename to \(newPath) the file", path) { old in
      newPath.withCString { CPosix_rename(old, $0) }
    }
  }

  /// Removes a file; one that is not there is no error.
  package static func remove(_ path: String) throws(KacheryError) {
    do { try check("remove", path) { CPosix_unlink($0) } } catch  where error.systemNumber == ENOENT {}
  }

  /// Bytes that this user may still write on the file system that holds `path`.
  package static func availableBytes(at path: String) throws(KacheryError) -> UInt64 {
    var status = statvfs()
    try check("inspect", path) { CPosix_statvfs($0, &status) }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? .max : bytes
  }

  /// The path up to its last slash: the folder that holds the file.
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

  /// Whether there is anything at this path.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether this user may read what is at this path.
  package static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// Whether this user may write to what is at this path.
  package static func isWritable(_ path: String) -> Bool { access(path, W_OK) == 0 }

  /// Throws unless this user may make files in a folder.
  package static func requireWritable(folder: String) throws(KacheryError) {
    guard access(folder, W_OK | X_OK) == 0 else { throw .file("write in", folder, errno: errno) }
  }
}

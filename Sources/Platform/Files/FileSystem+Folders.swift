import CPosix
package import Primitives

extension FileSystem {
  /// Creates the folder and its missing parents. An existing folder stays unchanged.
  ///
  /// - Parameters:
  ///   - permissions: of each folder created here, regardless of the umask; a set-group-ID bit inherited from the
  ///     parent folder is kept.
  ///   - folder: an open folder to which the path is relative; nil for any other path.
  ///   - keepsGroup: whether a folder created here gets the group of the one above it, if this user may give it that.
  /// - Returns: the folders that have a new entry, lowest first: `syncFolder` must save them before the new folders are
  ///   durable.
  @discardableResult
  package static func createFolder(
    _ path: String, permissions: UInt32, in folder: File? = nil, keepsGroup: Bool = false
  ) throws(KacheryError) -> [String] {
    // Usually only the lowest one is missing.
    var isAboveMissing = false
    do throws(KacheryError) {
      try check("create the folder", path, in: folder) { CPosix_mkdir($0, $1, permissions) }
      try setExactly(permissions, of: path, in: folder, keepsGroup: keepsGroup)
      return [parent(of: path)]
    } catch { isAboveMissing = error.systemNumber == ENOENT }
    if !isAboveMissing, let present = try statusIfPresent(path, in: folder) {
      guard present.kind == .folder else {
        throw KacheryError(.storageFailed, "Could not create the folder \(path): a file has that name; move it away.")
      }
      return []
    }
    let above = parent(of: path)
    let changed =
      above == path ? [] : try createFolder(above, permissions: permissions, in: folder, keepsGroup: keepsGroup)
    // Another process may create the same folder concurrently, which is just as good.
    do { try check("create the folder", path, in: folder) { CPosix_mkdir($0, $1, permissions) } } catch
      where error.systemNumber == EEXIST
    { return [above] + changed }
    try setExactly(permissions, of: path, in: folder, keepsGroup: keepsGroup)
    return [above] + changed
  }

  private static func setExactly(
    _ permissions: UInt32, of path: String, in folder: File?, keepsGroup: Bool
  ) throws(KacheryError) {
    let new = try status(path, in: folder)
    if keepsGroup, let group = try statusIfPresent(parent(of: path), in: folder)?.group, group != new.group {
      // A user gives away no folder to a group that they are not in.
      _ = try? check("change the group of", path, in: folder) { CPosix_chown_group($0, $1, group) }
    }
    let made = new.permissions
    guard made & 0o777 != permissions else { return }
    try check("change the permissions of", path, in: folder) {
      CPosix_chmod($0, $1, made & 0o7000 | permissions)
    }
  }

  /// Sets the permissions of a file or folder, without opening it.
  package static func setPermissions(_ permissions: UInt32, of path: String) throws(KacheryError) {
    try check("change the permissions of", path, in: nil) { CPosix_chmod($0, $1, permissions) }
  }

  /// Returns once everything on the file system of the folder is on the disk, including other processes' writes: one
  /// wait instead of one for each of many files.
  package static func syncFileSystem(holding path: String) throws(KacheryError) {
    let folder = try File(path, .folder)
    defer { folder.close() }
    try folder.call("save to disk") { CPosix_syncfs($0) }
  }

  /// Returns once the current names in the folder are on the disk.
  package static func syncFolder(_ path: String) throws(KacheryError) {
    let folder = try File(path, .folder)
    defer { folder.close() }
    // Some network file systems cannot sync a folder and do not need to.
    do { try folder.sync() } catch  where error.systemNumber == EINVAL {}
  }

  /// The names in a folder, unordered, without `.` and `..`; excluding names that are not UTF-8.
  package static func names(in path: String) throws(KacheryError) -> [String] { try allNames(in: path).names }

  /// As above, plus the names that are not UTF-8, with replacements for the invalid bytes.
  package static func allNames(in path: String) throws(KacheryError) -> (names: [String], notUTF8: [String]) {
    var number: Int32 = 0
    var folder: OpaquePointer?
    try check("list the folder", path) {
      folder = CPosix_opendir($0, &number)
      return -number
    }
    guard let folder else { return ([], []) }
    defer { closedir(folder) }
    var (names, notUTF8): ([String], [String]) = ([], [])
    while let raw = CPosix_next_name(folder, &number) {
      guard let name = String(validatingCString: raw) else {
        notUTF8.append(String(cString: raw))
        continue
      }
      if name != ".", name != ".." { names.append(name) }
    }
    guard number == 0 else { throw KacheryError.file("list the folder", path, errno: number) }
    return (names, notUTF8)
  }

  /// Removes an empty folder.
  package static func removeFolder(_ path: String) throws(KacheryError) {
    try check("remove the folder", path) { CPosix_rmdir($0) }
  }
}

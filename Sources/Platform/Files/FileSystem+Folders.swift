import CPosix
package import Primitives

extension FileSystem {
  /// Makes the folder and those above it that are missing. One that is there already stays as it is.
  ///
  /// - Parameters:
  ///   - permissions: of each folder made here, whatever the process's umask; a set-group-ID bit that the system hands down
  ///     from the folder above is kept.
  ///   - folder: an open one where the path begins; nil for a path that stands by itself.
  /// - Returns: the folders in which a new name stands now, the lowest first: what `syncFolder` must save before the new
  ///   folders can be relied on.
  @discardableResult
  package static func createFolder(
    _ path: String, permissions: UInt32, in folder: File? = nil
  ) throws(KacheryError) -> [String] {
    // Mostly only the lowest one is missing.
    var isAboveMissing = false
    do throws(KacheryError) {
      try check("create the folder", path, in: folder) { CPosix_mkdir($0, $1, permissions) }
      try setExactly(permissions, of: path, in: folder)
      return [parent(of: path)]
    } catch { isAboveMissing = error.systemNumber == ENOENT }
    if !isAboveMissing, let present = try statusIfPresent(path, in: folder) {
      guard present.kind == .folder else {
        throw KacheryError(.storageFailed, "Could not create the folder \(path): a file has that name; move it away.")
      }
      return []
    }
    let above = parent(of: path)
    let changed = above == path ? [] : try createFolder(above, permissions: permissions, in: folder)
    // Another process may make the same folder at the same time: that is as good.
    do { try check("create the folder", path, in: folder) { CPosix_mkdir($0, $1, permissions) } } catch
      where error.systemNumber == EEXIST
    { return [above] + changed }
    try setExactly(permissions, of: path, in: folder)
    return [above] + changed
  }

  private static func setExactly(
    _ permissions: UInt32, of path: String, in folder: File?
  ) throws(KacheryError) {
    let made = try status(path, in: folder).permissions
    guard made & 0o777 != permissions else { return }
    try check("change the permissions of", path, in: folder) {
      CPosix_chmod($0, $1, made & 0o7000 | permissions)
    }
  }

  /// Returns once everything on the file system that holds the folder is on the disk, also what others wrote: one wait in
  /// place of one for each of many files.
  package static func syncFileSystem(holding path: String) throws(KacheryError) {
    let folder = try File(path, .folder)
    defer { folder.close() }
    try folder.call("save to disk") { CPosix_syncfs($0) }
  }

  /// Returns once the names in the folder are on the disk as they are now.
  package static func syncFolder(_ path: String) throws(KacheryError) {
    let folder = try File(path, .folder)
    defer { folder.close() }
    // Some network file systems cannot sync a folder and have no need to.
    do { try folder.sync() } catch  where error.systemNumber == EINVAL {}
  }

  /// The names in a folder, in no order, without `.` and `..`; names that are not UTF-8 are left out.
  package static func names(in path: String) throws(KacheryError) -> [String] { try allNames(in: path).names }

  /// As above, and apart from them the names that are not UTF-8, with whatever stands for the bytes that are not.
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

  /// Removes a folder that is empty.
  package static func removeFolder(_ path: String) throws(KacheryError) {
    try check("remove the folder", path) { CPosix_rmdir($0) }
  }
}

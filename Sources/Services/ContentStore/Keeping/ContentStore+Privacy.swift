import Files
import Primitives

extension ContentStore {
  /// Withdraws what earlier versions, or the umask, let other users read in this software's own folder. The socket stays
  /// open to all, because the daemon itself decides whom it serves.
  func makePrivate(_ own: String) {
    do throws(KacheryError) {
      let folders = StoreLayout.ownFolderPermissions(in: try folderPermissions())
      for path in layout.privateFolders { try restrict(path, to: folders) }
      for name in try FileSystem.names(in: own) { try restrict("\(own)/\(name)", to: nil) }
    } catch {
      // For example on a file system without permissions.
      log.debug("\(error.message)")
    }
  }

  /// - Parameter folders: the permissions for a folder; nil if the path is to be changed only if it is a file.
  private func restrict(_ path: String, to folders: UInt32?) throws(KacheryError) {
    guard let status = try FileSystem.statusIfPresent(path, followingLinks: false) else { return }
    let wanted: UInt32
    switch status.kind {
    case .folder:
      guard let folders else { return }
      wanted = status.permissions & (folders | 0o7000)
    case .regular: wanted = status.permissions & 0o7700
    default: return
    }
    guard wanted != status.permissions else { return }
    try FileSystem.setPermissions(wanted, of: path)
  }
}

import Files
import Primitives

/// Who may give a node work, and so whose rights a path from them is judged by.
///
/// A request names a path, and the node reads it with its own rights. It cannot tell which user asks, only that the user
/// could read the token. So where others than the node's own user may read the token, a path counts only if each of them
/// could read the file as well.
package enum ClientScope: Hashable, Sendable {
  /// Only the user who runs the node, whose rights are the node's.
  case ownUser
  /// The members of a group.
  case group(UInt32)

  /// - Throws: `permissionDenied` if not everybody who may ask could read this open file themselves.
  func requireReadable(_ file: File) throws(KacheryError) {
    guard case .group(let group) = self else { return }
    // The place of what was opened, not of what the path leads to by now.
    guard let path = try file.truePath() else { throw Self.refusal(file.path, "it was moved or removed") }
    try Self.require(try file.status(), path, group, others: 0o004, members: 0o040, "read")
    var folder = path
    while folder != "/" {
      folder = FileSystem.parent(of: folder)
      try Self.require(try FileSystem.status(folder), folder, group, others: 0o001, members: 0o010, "enter")
    }
  }

  private static func require(
    _ status: FileStatus, _ path: String, _ group: UInt32, others: UInt32, members: UInt32, _ verb: String
  ) throws(KacheryError) {
    let bit = status.group == group ? members : others
    guard status.permissions & bit != 0 else {
      throw refusal(path, "not every member of the daemon's group may \(verb) it")
    }
    // A list may take from some user what the permissions seem to give.
    guard !FileSystem.hasAccessList(path) else { throw refusal(path, "it has an access control list") }
  }

  private static func refusal(_ path: String, _ reason: String) -> KacheryError {
    KacheryError(
      .permissionDenied, "The daemon may not use \(path) for others: \(reason). Open it to them, or send its bytes.")
  }
}

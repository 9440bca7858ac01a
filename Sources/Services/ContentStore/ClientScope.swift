import Files
import Primitives

/// Who may use a node, and therefore whose permissions a path in a request is checked against.
///
/// A request names a path, and the node reads it with its own permissions. The node knows only that the user could read
/// the token, not which user asks. So if users other than the node's own may read the token, a path is accepted only if
/// each of them could read the file as well.
package enum ClientScope: Hashable, Sendable {
  /// Only the user who runs the node, with the node's permissions.
  case ownUser
  /// The members of a group.
  case group(UInt32)

  /// - Throws: `permissionDenied` unless everyone who may use the node could read this open file themselves.
  func requireReadable(_ file: File) throws(KacheryError) {
    guard case .group(let group) = self else { return }
    // The path of the opened file, not of what its name refers to by now.
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
    // An access control list may deny a user what the permission bits seem to allow.
    guard !FileSystem.hasAccessList(path) else { throw refusal(path, "it has an access control list") }
  }

  private static func refusal(_ path: String, _ reason: String) -> KacheryError {
    KacheryError(
      .permissionDenied, "The daemon may not use \(path) for others: \(reason). Open it to them, or send its bytes.")
  }
}

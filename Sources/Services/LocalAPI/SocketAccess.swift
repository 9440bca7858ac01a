package import HTTP
package import Primitives

/// Who may use the daemon over its Unix socket without a token: the kernel identifies the connecting user.
package struct SocketAccess: Sendable {
  /// The path of the socket.
  package let path: String
  /// The user who runs the daemon.
  private let owner: UInt32
  /// The group whose members may use the daemon.
  private let group: Group?

  /// A group of this machine.
  package struct Group: Sendable {
    package let number: UInt32
    let name: String

    package init(number: UInt32, name: String) {
      self.number = number
      self.name = name
    }
  }

  package init(path: String, owner: UInt32, group: Group?) {
    self.path = path
    self.owner = owner
    self.group = group
  }

  /// Whether a client runs as the user who runs the daemon, or as root.
  func isOwner(_ peer: PeerCredentials) -> Bool { isOwner(peer.user) }

  func isOwner(_ user: UInt32) -> Bool { user == owner || user == 0 }

  /// Whether the daemon serves a group, so that other users than its own can have its token.
  var hasGroup: Bool { group != nil }

  /// The error for a member of the group who wants what only the owner may.
  func refusal(_ route: Route) -> KacheryError {
    KacheryError(
      .forbidden,
      "Only user \(owner), who runs this daemon, and root may do this (\(route.rawValue)). Members of the group "
        + "'\(group?.name ?? "")' store, link, find and load files, and write and read feeds.")
  }

  /// Whether a client is admitted because of its user.
  package func admits(_ peer: PeerCredentials) -> Bool {
    isOwner(peer) || group.map { peer.groups.contains($0.number) } ?? false
  }

  /// The error for a client that is not admitted.
  package func refusal(_ peer: PeerCredentials) -> KacheryError {
    let served = "it serves user \(owner), who runs it, and root"
    guard let group else {
      return KacheryError(
        .forbidden,
        "User \(peer.user) may not use this daemon: \(served). Ask that user to start it with --auth-group and a group "
          + "of yours, or start a daemon of your own on another port.")
    }
    return KacheryError(
      .forbidden,
      "User \(peer.user) may not use this daemon: \(served), and the members of the group '\(group.name)'. Ask to be taken "
        + "into that group, which counts from your next login, or start a daemon of your own on another port.")
  }
}

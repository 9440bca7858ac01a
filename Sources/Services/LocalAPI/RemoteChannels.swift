import APIModel
import Primitives

/// Which channels a client on another machine may have this node join.
///
/// The node fetches a channel's document from its address, so an address must not lead to this machine or its local
/// network, which the client may not reach itself. Its owner may join such channels.
enum RemoteChannels {
  /// The channels as they are to be stored: those that are not joined yet are marked, because a public name may resolve,
  /// and a public host redirect, to anywhere.
  ///
  /// - Throws: `forbidden` if one of these has an address that only the owner may use.
  static func marked(_ channels: [JoinedChannel], joined: [JoinedChannel]) throws(KacheryError) -> [JoinedChannel] {
    let known = Dictionary(joined.map { ($0.address, $0) }) { first, _ in first }
    var marked: [JoinedChannel] = []
    for var channel in channels {
      guard known[channel.address] != nil || mayJoin(channel.address.text) else {
        throw KacheryError(
          .forbidden,
          "A channel at \(channel.address) can be joined only on the daemon's own machine; use a name, or an http or "
            + "https address of a public host.")
      }
      channel.isJoinedRemotely =
        known[channel.address]?.isJoinedRemotely ?? channel.address.text.contains(bytesOf: "://")
      // The node would dial whatever the client names.
      channel.bootstraps = known[channel.address]?.bootstraps ?? []
      marked.append(channel)
    }
    return marked
  }

  static func mayJoin(_ address: String) -> Bool {
    guard address.begins(with: "/") || address.contains(bytesOf: "://") else { return true }
    guard let rest = address.removing(prefix: "https://") ?? address.removing(prefix: "http://") else { return false }
    let authority = rest.prefix { !"/?#\\".contains($0) }
    return isPublic(authority)
  }

  /// Whether the host is a global address, or a name that is neither this machine's nor of the local network. Numbers in
  /// other forms than usual, and user names, are refused rather than interpreted.
  private static func isPublic(_ authority: Substring) -> Bool {
    guard authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "%") })
    else {
      return false
    }
    if let inside = authority.removing(prefix: "[") {
      return IPAddress(String(inside.cut(at: "]").head))?.scope == .global
    }
    let host = authority.cut(at: ":").head.lowercasedASCII
    if let address = IPAddress(host) { return address.scope == .global }
    let labels = host.parts(separatedBy: ".")
    guard labels.count > 1, let last = labels.last(where: { !$0.isEmpty }) else { return false }
    return last.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } && !last.begins(with: "0x")
      && !["localhost", "local", "internal", "lan", "home", "arpa"].contains(last)
  }
}

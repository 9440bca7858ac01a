import APIModel
import Primitives

/// The joined channels on the status page: a row for each, and its members that are online.
struct ChannelTable {
  /// Most members named for one channel; the others are counted.
  private static let maximumNames = 50

  let channels: [ChannelState]

  var html: String {
    guard !channels.isEmpty else {
      return "<p class=\"none\">None yet. Join one with <code>kachery-p2p-join-channel NAME-OR-URL</code>.</p>"
    }
    return """
      <div class="wide"><table class="peers">
      <tr><th>Channel</th><th>Kind</th><th>This node</th><th>Last read</th><th>Other members</th><th>On line</th></tr>
      \(channels.map(Self.row).joined(separator: "\n"))
      </table></div>
      """
  }

  private static func row(of state: ChannelState) -> String {
    let problem = state.problem.map { "<br><small>\(StatusPage.escape($0))</small>" } ?? ""
    let online = state.members.filter(\.isOnline).prefix(maximumNames).map { member in
      let version = member.version.isEmpty ? "" : " \(member.version)"
      return "<br><small>\(StatusPage.escape("\(member.name)\(version)"))</small>"
    }
    return [
      "<tr><td><code>\(StatusPage.escape(state.channel.address.text))</code></td>",
      "<td>\(state.isByName ? "name" : "list")</td><td>\(StatusPage.escape(state.ownState))</td>",
      "<td>\(state.lastRead ?? "–")\(problem)</td><td class=\"number\">\(state.memberCount)</td>",
      "<td>\(state.onlineCount)\(online.joined())</td></tr>",
    ].joined()
  }
}

import APIModel
import Primitives

/// The linked nodes and the paths to them, on the status page: a row for each path.
struct PeerTable {
  let peers: [NodeStatus.Peer]

  var html: String {
    guard !peers.isEmpty else { return "<p class=\"none\">None at the moment.</p>" }
    let numbers = ["Round trip", "Received", "Sent", "For"].map { "<th class=\"number\">\($0)</th>" }.joined()
    return """
      <div class="wide"><table class="peers">
      <tr><th>Node</th><th>Path</th>\(numbers)<th>In use</th></tr>
      \(peers.map(Self.rows).joined(separator: "\n"))
      </table></div>
      """
  }

  private static func rows(of peer: NodeStatus.Peer) -> String {
    let name = [
      peer.label.isEmpty ? "" : "\(StatusPage.escape(peer.label))\(peer.isBootstrap ? " (bootstrap)" : "")<br>",
      "<small><code>\(peer.node.short)</code> \(StatusPage.escape(peer.version))</small>",
    ].joined()
    guard !peer.paths.isEmpty else {
      return "<tr><td>\(name)</td><td colspan=\"6\"><code>\(StatusPage.escape(peer.address))</code></td></tr>"
    }
    let cell = "<td rowspan=\"\(peer.paths.count)\">\(name)</td>"
    return peer.paths.enumerated().map { index, path in "<tr>\(index == 0 ? cell : "")\(cells(of: path))</tr>" }
      .joined(separator: "\n")
  }

  private static func cells(of path: PeerPath) -> String {
    let place =
      path.relay == nil
      ? "\(path.kindText)<br><small><code>\(StatusPage.escape(path.address))</code></small>"
      : StatusPage.escape(path.place)
    let lanes = path.lanes == 0 ? "" : ", \(path.lanes) lane\(path.lanes == 1 ? "" : "s")"
    return [
      "<td>\(place)</td>", number(path.roundTrip.map { Quantity.time($0) } ?? "–"),
      number(amount(path.bytesReceived, path.receivingRate)), number(amount(path.bytesSent, path.sendingRate)),
      number(Quantity.age(path.age)),
      "<td>\(path.isInUse ? "yes" : "no"): \(StatusPage.escape(path.reason))<br>"
        + "<small>\(path.dialedByText)\(lanes)</small></td>",
    ].joined()
  }

  private static func number(_ text: String) -> String { "<td class=\"number\">\(text)</td>" }

  private static func amount(_ bytes: UInt64, _ rate: Double) -> String {
    let total = Quantity.bytes(Double(bytes))
    return rate < 1 ? total : "\(total)<br><small>\(Quantity.bytes(rate))/s</small>"
  }
}

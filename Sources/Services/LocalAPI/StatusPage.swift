import APIModel
import Primitives

/// The status page of a node.
struct StatusPage {
  let probe: ProbeReply
  let status: NodeStatus
  let channelStates: [ChannelState]
  let metrics: [(name: String, value: Int)]
  /// Whether the reader may know the names of the channels.
  let showsChannels: Bool

  var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(Self.escape(status.label)) – kachery</title>
    <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; }
    h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
    table { border-collapse: collapse; width: 100%; }
    th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
    th { font-weight: 600; white-space: nowrap; } .number { text-align: right; font-variant-numeric: tabular-nums; }
    .wide { overflow-x: auto; } .peers td, .peers th { padding-right: 1rem; } .peers td.number { white-space: nowrap; }
    .peers small { color: #777; }
    code { font: .9em ui-monospace, monospace; word-break: break-all; } .none { color: #777; }
    @media (prefers-color-scheme: dark) {
      body { background: #181818; color: #ddd; } th, td { border-color: #444; } .none, .peers small { color: #999; }
    }
    </style>
    </head>
    <body>
    <h1>\(Self.escape(status.label))</h1>
    <table>
    <tr><th>Node ID</th><td><code>\(probe.node)</code></td></tr>
    <tr><th>Role</th><td>\(probe.isBootstrap ? "bootstrap node" : "node"), version \(APIVersion.daemon)</td></tr>
    <tr><th>Reached by peers at</th><td><code>\(Self.escape(status.listening))</code></td></tr>
    <tr><th>Storage directory</th><td><code>\(Self.escape(probe.storageDirectory))</code></td></tr>
    \(introduces)\(gateway)<tr><th>Running for</th><td>\(Quantity.age(status.uptime))</td></tr>
    </table>
    \(notices)<h2>Channels</h2>
    \(channels)
    <h2>Linked nodes</h2>
    \(PeerTable(peers: status.peers).html)
    <h2>Counters</h2>
    <table>
    \(metrics.map { "<tr><th><code>\(Self.escape($0.name))</code></th><td class=\"number\">\($0.value)</td></tr>" }
      .joined(separator: "\n"))
    </table>
    </body>
    </html>

    """
  }

  private var introduces: String {
    status.introduces.map { "<tr><th>Introduces</th><td>\(Self.escape($0))</td></tr>\n" } ?? ""
  }

  private var gateway: String {
    guard let gateway = status.gateway else { return "" }
    let lines = [gateway.text] + (showsChannels ? gateway.channelLines : [])
    return "<tr><th>Gateway</th><td>\(lines.map(Self.escape).joined(separator: "<br>"))</td></tr>\n"
  }

  private var notices: String {
    guard !status.notices.isEmpty else { return "" }
    let items = status.notices.map { notice in
      "<li>\(Self.escape(notice.summary))<br><small>\(Self.escape(notice.advice.joined(separator: " ")))</small></li>"
    }
    return "<h2>To be solved</h2>\n<ul>\(items.joined())</ul>\n"
  }

  private var channels: String {
    guard showsChannels else {
      return "<p class=\"none\">Shown only to programs of this machine with the full token.</p>"
    }
    return ChannelTable(channels: channelStates).html
  }

  /// Labels are received from other nodes: nothing in them may become markup.
  static func escape(_ text: String) -> String {
    var escaped = String.UnicodeScalarView()
    // By code point: a `<` with a combining mark after it is a different `Character`.
    for scalar in text.printable.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;".unicodeScalars
      case "<": escaped += "&lt;".unicodeScalars
      case ">": escaped += "&gt;".unicodeScalars
      case "\"": escaped += "&quot;".unicodeScalars
      case "'": escaped += "&#39;".unicodeScalars
      default: escaped.append(scalar)
      }
    }
    return String(escaped)
  }
}

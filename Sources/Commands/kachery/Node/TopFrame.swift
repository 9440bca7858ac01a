import APIModel
import Primitives

/// What a node does, as lines for a terminal: the latest events of `/v1/events`.
struct TopFrame {
  /// A line, and whether it is a heading.
  typealias Line = (text: String, isHeading: Bool)

  private var events: [ByteString: JSONValue] = [:]
  private var statuses = 0

  /// Whether there is something of everything, and a rate, which takes two looks.
  var isComplete: Bool {
    statuses > 1 && (["session", "transfers", "peers"] as [ByteString]).allSatisfy { events[$0] != nil }
      && (events["channels"] != nil || events["session"]?["readsChannels"]?.bool != true)
  }

  /// Takes in an event.
  mutating func take(_ name: String, _ data: JSONValue) {
    if ByteString(name) == "status" { statuses += 1 }
    events[ByteString(name)] = data
  }

  /// The lines for a terminal of this size; the height nil for all of them.
  func lines(width: Int, height: Int?) -> [Line] {
    var lines = head
    lines += section("Transfers", rows(of: "transfers"), transferLine, none: "none at the moment", width)
    lines += section("Peers", rows(of: "peers"), peerLine, none: "no node is linked", width)
    if events["session"]?["readsChannels"]?.bool == true {
      lines += section("Channels", rows(of: "channels"), channelLine, none: "none is joined", width)
    }
    let notices = rows(of: "notices")
    if !notices.isEmpty { lines += section("To be solved", notices, { text($0, "summary") }, none: "", width) }
    let fitting = lines.map { (text: String($0.text.printable.prefix(width)), isHeading: $0.isHeading) }
    guard let height, fitting.count > height, height > 1 else { return fitting }
    let hidden = fitting.count - height + 1
    return fitting.prefix(height - 1) + [(text: "… \(hidden) more lines", isHeading: false)]
  }

  private func rows(of name: ByteString) -> [JSONValue] { events[name]?[name]?.array ?? [] }

  private func text(_ value: JSONValue, _ name: ByteString) -> String { value[name]?.string ?? "" }

  private func rate(_ value: JSONValue?, _ name: ByteString) -> String {
    "\(Quantity.bytes(Double(value?[name]?.integer ?? 0)))/s"
  }

  private var head: [Line] {
    let (status, session) = (events["status"], events["session"])
    let label = status.map { text($0, "label") } ?? ""
    let version = session.map { text($0, "version") } ?? ""
    let uptime = Quantity.age(Int(clamping: status?["uptimeSeconds"]?.integer ?? 0))
    return [
      (text: "\(label)  kachery \(version), running for \(uptime)", isHeading: true),
      (text: session.map { "node \(text($0, "nodeId"))" } ?? "", isHeading: false),
      (
        text: "receiving \(pad(rate(status, "receivedBytesPerSecond"), 11))  sending "
          + rate(status, "sentBytesPerSecond"), isHeading: false
      ),
    ]
  }

  private func section(
    _ title: String, _ rows: [JSONValue], _ line: (JSONValue) -> String, none: String, _ width: Int
  ) -> [Line] {
    let count = rows.isEmpty ? "" : " (\(rows.count))"
    let lines = rows.isEmpty ? [none] : rows.map(line)
    return [(text: "", isHeading: false), (text: "\(title)\(count)", isHeading: true)]
      + lines.map { (text: "  \($0)", isHeading: false) }
  }

  private func transferLine(_ transfer: JSONValue) -> String {
    let isUpload = text(transfer, "kind").begins(with: "upload")
    let total = transfer["bytesTotal"]?.integer
    let bytes = transfer["bytes"]?.integer ?? 0
    let files = transfer["filesTotal"]?.integer.map { total in
      "\(transfer["filesEnded"]?.integer ?? 0) of \(total) files, "
    }
    let name = transfer["name"]?.string ?? transfer["sha1"]?.string.map { String($0.prefix(12)) } ?? "many files"
    let nodes = (transfer["nodeIds"]?.array ?? []).compactMap(\.string).map { self.name(of: $0) }
    let place = nodes.isEmpty ? "" : "\(isUpload ? "to" : "from") \(nodes.prefix(3).joined(separator: ", "))"
    let part = total.flatMap { $0 > 0 ? " \(Self.bar(Double(bytes) / Double($0)))" : nil } ?? ""
    let amount = Quantity.bytes(Double(bytes)) + (total.map { " of \(Quantity.bytes(Double($0)))" } ?? "")
    let waits = transfer["waitsForNodeId"]?.string.map { "waits for \(self.name(of: $0)), which serves others first" }
    return "\(isUpload ? "sending" : "loading") \(pad(name, 24))\(part) \(files ?? "")\(amount), "
      + "\(rate(transfer, "bytesPerSecond")) \(waits ?? place)"
  }

  /// Ten cells, as many full as the part says.
  private static func bar(_ part: Double) -> String {
    let full = Int((max(0, min(1, part)) * 10).rounded(.down))
    return String(repeating: "█", count: full) + String(repeating: "░", count: 10 - full)
  }

  private func peerLine(_ peer: JSONValue) -> String {
    let paths = (peer["paths"]?.array ?? []).compactMap { try? PeerPath(json: $0) }
    let used = paths.first(where: \.isInUse) ?? paths.first
    let role = peer["isBootstrapNode"]?.bool == true ? " (bootstrap)" : ""
    let trip = used?.roundTrip.map { Quantity.time($0) } ?? ""
    let incoming = paths.reduce(0) { $0 + $1.receivingRate }
    let outgoing = paths.reduce(0) { $0 + $1.sendingRate }
    let rates = "in \(pad("\(Quantity.bytes(incoming))/s", 10)) out \(pad("\(Quantity.bytes(outgoing))/s", 10))"
    return "\(pad(name(of: text(peer, "nodeId")) + role, 26)) \(pad(trip, 8)) \(rates) \(used?.place ?? "")"
  }

  private func channelLine(_ channel: JSONValue) -> String {
    let label = text(channel, "channelLabel")
    let name = label.isEmpty ? text(channel, "channelConfigUrl") : label
    let problem = channel["problem"]?.string.map { ": \($0)" } ?? ""
    let count = channel["memberCount"]?.integer ?? 0
    return "\(pad(name, 26)) \(count) other member\(count == 1 ? "" : "s"), "
      + "\(channel["onlineCount"]?.integer ?? 0) on line\(problem)"
  }

  /// The label of a linked node, or the beginning of its ID.
  private func name(of node: String) -> String {
    let peer = rows(of: "peers").first { text($0, "nodeId") == node }
    let label = peer.map { text($0, "label").printable } ?? ""
    return label.isEmpty ? "node \(node.prefix(8))" : label
  }

  /// The text, cut or filled with blanks to a number of characters.
  private func pad(_ text: String, _ count: Int) -> String {
    let text = text.printable
    guard text.count <= count else { return "\(text.prefix(count - 1))…" }
    return text + String(repeating: " ", count: count - text.count)
  }
}

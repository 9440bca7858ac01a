import APIModel
import Primitives

/// The linked nodes and the paths to them, as lines for people.
struct PeerList {
  /// The elements of the answer to `/v1/peers`.
  let peers: [JSONValue]

  /// - Parameter width: the columns of the terminal.
  func lines(width: Int) -> [String] { peers.flatMap { Self.lines(of: $0, width: width) } }

  private static func lines(of peer: JSONValue, width: Int) -> [String] {
    let label = (peer["label"]?.string ?? "").printable
    let role = peer["isBootstrapNode"]?.bool == true ? " (bootstrap node)" : ""
    let version = peer["version"]?.string.map { ", \($0.printable)" } ?? ""
    let name = "\(label.isEmpty ? "a node without a name" : label)\(role)\(version)"
    var lines = Paragraph.lines(name, width: width, rest: "  ")
    lines.append("  \((peer["nodeId"]?.string ?? "").printable)")
    let paths = (peer["paths"]?.array ?? []).compactMap { try? PeerPath(json: $0) }
    lines += paths.flatMap { Self.lines(of: $0, width: width) }
    // Earlier daemons name only the address in use.
    if paths.isEmpty { lines.append("  * \((peer["address"]?.string ?? "").printable)") }
    return lines + remarks(on: peer).flatMap { Paragraph.lines($0, width: width, first: "  ! ", rest: "    ") }
  }

  private static func lines(of path: PeerPath, width: Int) -> [String] {
    let use = "\(path.isInUse ? "in use" : "not in use"): \(path.reason)"
    var facts = [path.roundTrip.map { Quantity.time($0) } ?? "round trip unknown"]
    facts.append("\(amount(path.bytesReceived, path.receivingRate)) in")
    facts.append("\(amount(path.bytesSent, path.sendingRate)) out")
    if path.lanes > 0 { facts.append("\(path.lanes) lane\(path.lanes == 1 ? "" : "s")") }
    facts += ["for \(Quantity.age(path.age))", path.dialedByText]
    return Paragraph.lines(
      "\(path.place), \(use)".printable, width: width, first: path.isInUse ? "  * " : "  - ", rest: "    ")
      + Paragraph.lines(facts.joined(separator: ", "), width: width, first: "    ", rest: "    ")
  }

  private static func amount(_ bytes: UInt64, _ rate: Double) -> String {
    "\(Quantity.bytes(Double(bytes)))\(rate < 1 ? "" : " (\(Quantity.bytes(rate))/s)")"
  }

  /// Problems with a peer. Earlier daemons name the fields differently.
  private static func remarks(on peer: JSONValue) -> [String] {
    var remarks: [String] = []
    let ahead = (peer["clockOffsetSeconds"] ?? peer["clockAhead"])?.integer ?? 0
    if ahead.magnitude >= 60 {
      remarks.append(
        "its clock is \(Quantity.age(Int(clamping: ahead.magnitude))) \(ahead > 0 ? "ahead of" : "behind") this machine's"
      )
    }
    let badAnswers = (peer["badAnswers"] ?? peer["lies"])?.integer ?? 0
    if badAnswers > 0 {
      remarks.append("it gave wrong bytes or answers \(badAnswers) time\(badAnswers == 1 ? "" : "s")")
    }
    return remarks
  }

  /// How the nodes are linked, in one sentence.
  var summary: String {
    guard !peers.isEmpty else { return "No node is linked to this one." }
    let kinds = peers.compactMap { peer in
      (peer["paths"]?.array ?? []).first { $0["isInUse"]?.bool == true }?["kind"]?.string
    }
    let counts = [
      ("directly", ["lan", "direct", "punched"]), ("through a proxy", ["proxied"]),
      ("by WebSocket", ["webSocket"]), ("through a relay", ["relayed"]),
    ].compactMap { words, names in
      let count = kinds.count { kind in names.contains { $0 == kind } }
      return count == 0 ? nil : "\(count) \(words)"
    }
    let how = counts.isEmpty ? "" : ": \(counts.joined(separator: ", "))"
    return "\(peers.count) node\(peers.count == 1 ? " is" : "s are") linked to this one\(how)."
  }
}

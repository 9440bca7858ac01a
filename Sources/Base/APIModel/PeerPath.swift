package import Primitives

/// One path to a peer, in the answer to `/v1/peers`.
package struct PeerPath: Hashable, Sendable {
  /// A node through which the path leads.
  package struct Relay: Hashable, Sendable {
    package var node: NodeID
    /// Empty if it is not known.
    package var label: String

    package init(node: NodeID, label: String) {
      self.node = node
      self.label = label
    }
  }

  /// `lan`, `direct`, `punched`, `proxied`, `webSocket` or `relayed`; later daemons may know more.
  package var kind: String
  /// The address of the other end, as seen from the daemon; empty if there is none.
  package var address: String
  /// Nil unless it leads through a relay.
  package var relay: Relay?
  /// The end that opened it: `thisNode`, `otherNode`, or `both` at the same moment.
  package var dialedBy: String
  package var isInUse: Bool
  /// Why it is in use, or is not: words for people.
  package var reason: String
  /// The shortest of the last round trips; nil before the first is known.
  package var roundTrip: Duration?
  package var bytesReceived: UInt64 = 0
  package var bytesSent: UInt64 = 0
  /// Bytes a second, in the last few seconds.
  package var receivingRate = 0.0
  package var sendingRate = 0.0
  /// Seconds since it opened.
  package var age = 0
  /// The connections beside the first that carry large transfers.
  package var lanes = 0

  package init(
    kind: String, address: String, relay: Relay? = nil, dialedBy: String, isInUse: Bool, reason: String
  ) {
    self.kind = kind
    self.address = address
    self.relay = relay
    self.dialedBy = dialedBy
    self.isInUse = isInUse
    self.reason = reason
  }

  /// Where it leads, for people: `direct to 10.0.0.1:14507`, `relayed through hub`.
  package var place: String {
    guard let relay else {
      let way =
        switch kind {
        case "lan": "in the local network"
        case "proxied": "through a proxy"
        case "webSocket": "by WebSocket"
        default: kindText
        }
      return "\(way) to \(address)"
    }
    return "relayed through \(relay.label.isEmpty ? "node \(relay.node.short)" : relay.label)"
  }

  /// The kind of path, for people.
  package var kindText: String {
    switch kind {
    case "lan": "local network"
    // The end that dialed says the rest.
    case "punched": "direct"
    case "proxied": "proxy"
    case "webSocket": "WebSocket"
    default: kind
    }
  }

  /// The end that opened it, for people.
  package var dialedByText: String {
    switch dialedBy {
    case "thisNode": "dialed by this node"
    case "otherNode": "dialed by the other node"
    default: "dialed by both nodes"
    }
  }

  // MARK: JSON

  package var json: JSONValue {
    [
      "kind": .string(kind), "address": .string(address), "relayNodeId": relay.map { .string($0.node.hex) } ?? .null,
      "relayLabel": relay.map { .string($0.label) } ?? .null, "dialedBy": .string(dialedBy), "isInUse": .bool(isInUse),
      "reason": .string(reason), "roundTripMilliseconds": roundTrip.map { .double($0.roundedMilliseconds) } ?? .null,
      "bytesReceived": .integer(Int64(clamping: bytesReceived)), "bytesSent": .integer(Int64(clamping: bytesSent)),
      "receivedBytesPerSecond": .integer(Int64(receivingRate.rounded())),
      "sentBytesPerSecond": .integer(Int64(sendingRate.rounded())), "ageSeconds": .integer(Int64(age)),
      "lanes": .integer(Int64(lanes)),
    ]
  }

  /// Reads an element of a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a path in the daemon's answer")
    self.init(
      kind: try fields.string("kind"), address: try fields.string("address"), dialedBy: try fields.string("dialedBy"),
      isInUse: try fields.optionalBool("isInUse") ?? false, reason: try fields.string("reason"))
    if let node: NodeID = try fields.optionalFixed("relayNodeId") {
      relay = Relay(node: node, label: try fields.optionalString("relayLabel") ?? "")
    }
    roundTrip = try fields.optionalNumber("roundTripMilliseconds").map { .milliseconds(1) * $0 }
    bytesReceived = try fields.optionalUnsigned("bytesReceived") ?? 0
    bytesSent = try fields.optionalUnsigned("bytesSent") ?? 0
    receivingRate = try fields.optionalNumber("receivedBytesPerSecond") ?? 0
    sendingRate = try fields.optionalNumber("sentBytesPerSecond") ?? 0
    age = Int(clamping: try fields.optionalUnsigned("ageSeconds") ?? 0)
    lanes = Int(clamping: try fields.optionalUnsigned("lanes") ?? 0)
  }
}

extension Duration {
  /// Milliseconds, to the microsecond.
  package var roundedMilliseconds: Double { (self / .microseconds(1)).rounded() / 1_000 }
}

package import Primitives

/// How a node meets other nodes: the answer to `/v1/meeting`.
package struct MeetingState: Hashable, Sendable {
  package var node: NodeID
  package var label: String
  package var isBootstrap: Bool
  /// Where others reach this node, if it is a bootstrap node: the addresses from outside, or else those in its local
  /// network.
  package var ownAddresses: [String]
  /// The bootstrap nodes that this node uses. If one channel was asked about, without those of its document, which every
  /// member reads itself, and without those of other channels.
  package var bootstraps: [Checkup.Bootstrap]
  /// The channel that was asked about. Its `problem` says why its document cannot be read, if it cannot.
  package var channel: Checkup.JoinedChannelState?

  package init(
    node: NodeID, label: String, isBootstrap: Bool, ownAddresses: [String] = [], bootstraps: [Checkup.Bootstrap] = [],
    channel: Checkup.JoinedChannelState? = nil
  ) {
    self.node = node
    self.label = label
    self.isBootstrap = isBootstrap
    self.ownAddresses = ownAddresses
    self.bootstraps = bootstraps
    self.channel = channel
  }

  /// Where others may meet this node: its own addresses, at most `own`, then its bootstrap nodes, linked ones first. Each
  /// once.
  package func meetingPoints(own: Int) -> [Address] {
    let known = bootstraps.filter { $0.linkedBy != nil } + bootstraps.filter { $0.linkedBy == nil }
    var addresses: [Address] = []
    for text in ownAddresses.prefix(own) + known.map(\.address) {
      guard let address = Address(bootstrap: text), !addresses.contains(address) else { continue }
      addresses.append(address)
    }
    return addresses
  }

  /// Whether this node can meet members of the channel in its local network only, and has met none.
  package var isConfinedToLocalNetwork: Bool {
    guard let channel, channel.membership == .byName else { return false }
    return bootstraps.isEmpty && !isBootstrap && channel.direct + channel.relayed == 0
  }

  package var json: JSONValue {
    [
      "nodeId": .string(node.hex), "label": .string(label), "isBootstrapNode": .bool(isBootstrap),
      "ownAddresses": .array(ownAddresses.map { .string($0) }),
      "bootstraps": .array(bootstraps.map(\.summary)), "channel": channel?.json ?? .null,
    ]
  }

  /// Reads a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "the answer to /v1/meeting")
    node = try fields.fixed("nodeId")
    label = try fields.string("label")
    isBootstrap = try fields.optionalBool("isBootstrapNode") ?? false
    ownAddresses = (fields.value("ownAddresses")?.array ?? []).compactMap(\.string)
    bootstraps = []
    for entry in fields.value("bootstraps")?.array ?? [] {
      bootstraps.append(try Checkup.Bootstrap(try JSONFields(entry, named: "an element of 'bootstraps'")))
    }
    channel = nil
    guard let value = fields.value("channel") else { return }
    channel = try Checkup.JoinedChannelState(try JSONFields(value, named: "the field 'channel'"))
  }
}

extension Checkup.Bootstrap {
  /// Without attempts: none was made.
  fileprivate var summary: JSONValue {
    [
      "address": .string(address), "nodeId": node.map { .string($0.hex) } ?? .null, "label": .string(label),
      "linkedBy": linkedBy.map { .string($0) } ?? .null,
    ]
  }
}

package import Primitives

/// What came of reading a channel's document now.
package struct ChannelReading: Sendable {
  /// An entry of the document.
  package struct Entry: Hashable, Sendable {
    package var node: NodeID
    package var label: String

    package init(node: NodeID, label: String) {
      self.node = node
      self.label = label
    }

    /// The entry in one line.
    package var text: String { label.isEmpty ? node.hex : "\(label) (\(node.hex))" }

    var json: JSONValue { ["nodeId": .string(node.hex), "label": .string(label)] }

    init(json: JSONValue) throws(KacheryError) {
      let fields = try JSONFields(json, named: "an entry in the daemon's answer")
      self.init(node: try fields.fixed("nodeId"), label: try fields.optionalString("label") ?? "")
    }
  }

  package var address: ByteString
  /// Why it could not be read; nil if it was.
  package var error: KacheryError?
  package var label = ""
  /// How many nodes the document lists.
  package var memberCount = 0
  /// This node's rights; nil if the document does not list it.
  package var rights: [ChannelState.Right]?
  /// The differences to the document as this node knew it before.
  package var added: [Entry] = []
  package var removed: [Entry] = []
  /// Entries whose label or rights have changed.
  package var changed: [Entry] = []
  /// This node, as the document must list it.
  package var node: NodeID
  package var nodeLabel: String

  package init(_ address: ByteString, node: NodeID, nodeLabel: String) {
    self.address = address
    self.node = node
    self.nodeLabel = nodeLabel
  }

  package var json: JSONValue {
    [
      "channelConfigUrl": .string(address.text), "problem": error.map { .string($0.message) } ?? .null,
      "code": error.map { .string($0.code.rawValue) } ?? .null, "channelLabel": .string(label),
      "memberCount": .integer(Int64(memberCount)), "isListed": error == nil ? .bool(rights != nil) : .null,
      "rights": ChannelState.json(of: rights), "added": .array(added.map(\.json)),
      "removed": .array(removed.map(\.json)), "changed": .array(changed.map(\.json)), "nodeId": .string(node.hex),
      "nodeLabel": .string(nodeLabel),
    ]
  }

  /// Reads an element of a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a channel in the daemon's answer")
    self.init(
      ByteString(try fields.string("channelConfigUrl")), node: try fields.fixed("nodeId"),
      nodeLabel: try fields.optionalString("nodeLabel") ?? "")
    if let problem = try fields.optionalString("problem") {
      let code = try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) } ?? .internalError
      error = KacheryError(code, problem)
    }
    label = try fields.optionalString("channelLabel") ?? ""
    memberCount = Int(clamping: try fields.optionalUnsigned("memberCount") ?? 0)
    rights = ChannelState.rights(in: json)
    added = try Self.entries(json["added"])
    removed = try Self.entries(json["removed"])
    changed = try Self.entries(json["changed"])
  }

  private static func entries(_ json: JSONValue?) throws(KacheryError) -> [Entry] {
    var entries: [Entry] = []
    for element in json?.array ?? [] { entries.append(try Entry(json: element)) }
    return entries
  }
}

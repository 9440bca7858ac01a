package import Primitives

/// A node that is waited for, because it serves others first: the message `waiting` of a load.
package struct BusyNode: Hashable, Sendable {
  package let node: NodeID
  /// Nodes that wait there as well; nil if it does not say.
  package let others: UInt32?

  package init(_ node: NodeID, others: UInt32?) {
    self.node = node
    self.others = others
  }

  /// Reads the message.
  package init(_ fields: JSONFields) throws(KacheryError) {
    node = try fields.fixed("nodeId")
    others = try fields.optionalUnsigned("others").map { UInt32(clamping: $0) }
  }

  package var json: JSONValue {
    ["type": "waiting", "nodeId": .string(node.hex), "others": others.map { .integer(Int64($0)) } ?? .null]
  }
}

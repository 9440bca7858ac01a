package import Primitives

/// A node that a load waits for because it serves others first: the message `waiting`.
package struct BusyNode: Hashable, Sendable {
  package let node: NodeID
  /// How many other nodes are waiting there too; nil if the node does not report it.
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

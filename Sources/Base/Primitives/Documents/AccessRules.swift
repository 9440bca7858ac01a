/// Which nodes may append messages to a subfeed in addition to the node that writes it.
package struct AccessRules: Hashable, Sendable {
  /// The rights of one node.
  package struct Rule: Hashable, Sendable {
    package let node: NodeID
    package let mayWrite: Bool

    package init(node: NodeID, mayWrite: Bool) {
      self.node = node
      self.mayWrite = mayWrite
    }
  }

  /// Most rules of a subfeed: the list is read for every submitted message.
  package static let maximumRules = 10_000

  package let rules: [Rule]

  package init(_ rules: [Rule] = []) { self.rules = rules }

  /// Reads `{"rules": [{"nodeId", "write"}]}`.
  ///
  /// - Throws: `badRequest` if it is anything else.
  package init(json: JSONValue) throws(KacheryError) {
    guard let list = json["rules"]?.array else {
      throw KacheryError(.badRequest, "Access rules are an object with a list named 'rules'.")
    }
    guard list.count <= Self.maximumRules else {
      throw KacheryError(.tooLarge, "A subfeed has at most \(Self.maximumRules) access rules, not \(list.count).")
    }
    var rules: [Rule] = []
    for entry in list {
      guard let node = entry["nodeId"]?.string.flatMap({ NodeID(hex: $0) }), let mayWrite = entry["write"]?.bool else {
        throw KacheryError(
          .badRequest,
          "An access rule is an object of a 'nodeId' of 64 hexadecimal digits and a 'write' that is "
            + "true or false.")
      }
      rules.append(Rule(node: node, mayWrite: mayWrite))
    }
    self.rules = rules
  }

  /// The rules in the form that clients and other nodes' software use.
  package var json: JSONValue {
    ["rules": .array(rules.map { ["nodeId": .string($0.node.hex), "write": .bool($0.mayWrite)] })]
  }

  /// Whether a rule lets this node write.
  package func permitsWriting(by node: NodeID) -> Bool { rules.contains { $0.node == node && $0.mayWrite } }
}

package import Primitives

/// The body of `/v1/replicate`, which asks other nodes to keep copies of these files.
package struct ReplicationRequest: Hashable, Sendable {
  /// Most files that one request may name.
  package static let maximumFiles = 100_000

  package var hashes: [ContentHash]
  /// The only node to ask; nil for all members that relay files.
  package var node: NodeID?
  /// The only channel whose members are asked, by name or address; nil for any.
  package var channel: String?

  package init(hashes: [ContentHash], node: NodeID? = nil, channel: String? = nil) {
    self.hashes = hashes
    self.node = node
    self.channel = channel
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    hashes = try fields.hashes(atMost: Self.maximumFiles)
    node = try fields.optionalFixed("node")
    channel = try fields.optionalString("channel")
  }

  package var json: JSONValue {
    [
      "sha1s": .array(hashes.map { .string($0.hex) }), "node": node.map { .string($0.hex) } ?? .null,
      "channel": channel.map { .string($0) } ?? .null,
    ]
  }
}

/// A message of `/v1/replicate`; the stream ends with `{"type": "finished"}`.
package enum ReplicationEvent: Sendable {
  /// A node loads the file, keeps it, or does not. `state` is `loading`, `kept`, `notAuthorized`, `off`, `noRoom` or
  /// `failed`.
  case answer(ContentHash, NodeID, label: String, state: String, reason: String)
  /// No node keeps the file, and why.
  case failed(ContentHash, KacheryError)
  case finished

  package var json: JSONValue {
    switch self {
    case .answer(let hash, let node, let label, let state, let reason):
      [
        "type": "answer", "sha1": .string(hash.hex), "nodeId": .string(node.hex), "label": .string(label),
        "state": .string(state), "reason": .string(reason),
      ]
    case .failed(let hash, let error):
      [
        "type": "failed", "sha1": .string(hash.hex), "code": .string(error.code.rawValue),
        "reason": .string(error.message),
      ]
    case .finished: ["type": "finished"]
    }
  }
}

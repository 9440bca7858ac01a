package import Primitives

/// The body of `/v1/store/release`: files to move to the trash if another member proves to hold them.
package struct ReleaseRequest: Hashable, Sendable {
  /// Most files that one request may name.
  package static let maximumFiles = 100_000

  /// The files; nil for those that the limit of the storage directory requires to go.
  package var hashes: [ContentHash]?
  /// Whether members on this machine count, if they have another storage directory.
  package var countsThisMachine: Bool
  /// Whether to ask for the proofs only, and to move nothing.
  package var isPreview: Bool

  package init(hashes: [ContentHash]?, countsThisMachine: Bool, isPreview: Bool) {
    self.hashes = hashes
    self.countsThisMachine = countsThisMachine
    self.isPreview = isPreview
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    countsThisMachine = try fields.optionalBool("countThisMachine") ?? false
    isPreview = try fields.optionalBool("dryRun") ?? false
    hashes = try fields.optionalHashes(atMost: Self.maximumFiles)
  }

  package var json: JSONValue {
    [
      "sha1s": hashes.map { .array($0.map { .string($0.hex) }) } ?? .null,
      "countThisMachine": .bool(countsThisMachine), "dryRun": .bool(isPreview),
    ]
  }
}

extension JSONFields {
  /// The files that the field `sha1s` names.
  package func hashes(atMost maximum: Int) throws(KacheryError) -> [ContentHash] {
    guard let hashes = try optionalHashes(atMost: maximum) else {
      throw KacheryError(.badRequest, "The field 'sha1s' is missing; it lists the files.")
    }
    return hashes
  }

  /// The files that the field `sha1s` names; nil if it is absent or null.
  package func optionalHashes(atMost maximum: Int) throws(KacheryError) -> [ContentHash]? {
    guard let value = value("sha1s") else { return nil }
    guard let list = value.array, list.count <= maximum else {
      throw KacheryError(.badRequest, "The field 'sha1s' is not a list of at most \(maximum) hashes.")
    }
    var hashes: [ContentHash] = []
    for item in list {
      guard let hash = item.string.flatMap({ ContentHash(hex: $0) }) else {
        throw KacheryError(.badRequest, "The field 'sha1s' contains a value that is not 40 hexadecimal digits.")
      }
      hashes.append(hash)
    }
    return hashes
  }
}

/// A message of `/v1/store/release`; the stream ends with `{"type": "finished"}`.
package enum ReleaseEvent: Sendable {
  /// A file went to the trash, or would go: this member has proved to hold it.
  case released(ContentHash, bytes: UInt64, NodeID, label: String)
  /// A file stays, and why.
  case kept(ContentHash, KacheryError)
  case finished

  package var json: JSONValue {
    switch self {
    case .released(let hash, let bytes, let node, let label):
      [
        "type": "released", "sha1": .string(hash.hex), "bytes": .integer(Int64(clamping: bytes)),
        "nodeId": .string(node.hex), "label": .string(label),
      ]
    case .kept(let hash, let error):
      [
        "type": "kept", "sha1": .string(hash.hex), "reason": .string(error.message),
        "code": .string(error.code.rawValue),
      ]
    case .finished: ["type": "finished"]
    }
  }
}

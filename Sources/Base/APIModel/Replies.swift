package import Primitives

/// The answer of `/probe`.
package struct ProbeReply: Hashable, Sendable {
  package var node: NodeID
  package var isBootstrap: Bool
  package var joinedChannels: [JoinedChannel]
  package var storageDirectory: String
  /// Present only for a client on the Unix socket.
  package var socket: Socket?

  /// What the daemon reports to a client connected to its Unix socket.
  package struct Socket: Hashable, Sendable {
    /// Whether the client needs no token.
    package var hasAccess: Bool
    /// The port of the same API.
    package var port: UInt16

    package init(hasAccess: Bool, port: UInt16) {
      self.hasAccess = hasAccess
      self.port = port
    }
  }

  package init(node: NodeID, isBootstrap: Bool, joinedChannels: [JoinedChannel], storageDirectory: String) {
    self.node = node
    self.isBootstrap = isBootstrap
    self.joinedChannels = joinedChannels
    self.storageDirectory = storageDirectory
  }

  package var json: JSONValue {
    let published: JSONValue = [
      "success": true, "protocolVersion": .string(APIVersion.peerProtocol),
      "daemonVersion": .string(APIVersion.daemon), "nodeId": .string(node.hex), "isBootstrapNode": .bool(isBootstrap),
      "webSocketAddress": .null, "publicUdpSocketAddress": .null,
      "joinedChannels": .array(joinedChannels.map(\.json)), "kacheryStorageDir": .string(storageDirectory),
    ]
    guard let socket, var fields = published.object else { return published }
    fields["hasAccess"] = .bool(socket.hasAccess)
    fields["port"] = .integer(Int64(socket.port))
    return .object(fields)
  }

  /// Reads a daemon's answer.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "the answer to /probe")
    node = try fields.fixed("nodeId")
    isBootstrap = try fields.optionalBool("isBootstrapNode") ?? false
    joinedChannels = JoinedChannel.list(from: json)
    storageDirectory = try fields.string("kacheryStorageDir")
    guard let hasAccess = try fields.optionalBool("hasAccess") else { return }
    socket = Socket(hasAccess: hasAccess, port: UInt16(clamping: try fields.unsigned("port")))
  }
}

/// The answer of `/store`, `/storeFile` and `/linkFile`.
package struct StoreReply: Hashable, Sendable {
  package var hash: ContentHash
  package var manifest: ContentHash?

  package init(hash: ContentHash, manifest: ContentHash?) {
    self.hash = hash
    self.manifest = manifest
  }

  package var json: JSONValue {
    [
      "success": true, "error": .null, "sha1": .string(hash.hex),
      "manifestSha1": manifest.map { .string($0.hex) } ?? .null,
    ]
  }

  /// Reads a daemon's answer; throws the error that a refusal reports.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "the answer of the daemon")
    guard try fields.optionalBool("success") == true else {
      let code = try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) } ?? .storageFailed
      throw KacheryError(code, try fields.optionalString("error") ?? "The daemon could not store the file.")
    }
    hash = try fields.fixed("sha1")
    manifest = try fields.optionalFixed("manifestSha1")
  }
}

/// A node that has a file, as `/findFile` reports it.
package struct FoundFile: Hashable, Sendable {
  package var node: NodeID
  package var key: FileKey
  /// In bytes.
  package var size: UInt64

  package init(node: NodeID, key: FileKey, size: UInt64) {
    self.node = node
    self.key = key
    self.size = size
  }

  package var json: JSONValue {
    ["nodeId": .string(node.hex), "fileKey": key.json, "fileSize": .integer(Int64(clamping: size))]
  }
}

/// The messages of `/loadFile`: progress, and the outcome at the end.
package enum LoadEvent: Hashable, Sendable {
  /// Progress: bytes loaded, total bytes, and the node that sent the last ones.
  case progress(loaded: UInt64, total: UInt64, node: NodeID?)
  /// No node is sending the file: the one that has it serves others first.
  case waiting(BusyNode)
  case finished(path: String)

  package var json: JSONValue {
    switch self {
    case .progress(let loaded, let total, let node):
      [
        "type": "progress", "bytesLoaded": .integer(Int64(clamping: loaded)),
        "bytesTotal": .integer(Int64(clamping: total)), "nodeId": node.map { .string($0.hex) } ?? .null,
      ]
    case .waiting(let busy): busy.json
    case .finished(let path): ["type": "finished", "localFilePath": .string(path)]
    }
  }

  /// The last message of a failed load.
  package static func failure(_ error: KacheryError) -> JSONValue {
    ["type": "error", "error": .string(error.message), "code": .string(error.code.rawValue)]
  }

  /// Reads a daemon's message; throws the error that an error message reports.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a message of the daemon")
    switch try fields.string("type") {
    case "progress":
      self = .progress(
        loaded: try fields.unsigned("bytesLoaded"), total: try fields.unsigned("bytesTotal"),
        node: try fields.optionalFixed("nodeId"))
    case "waiting": self = .waiting(try BusyNode(fields))
    case "finished": self = .finished(path: try fields.string("localFilePath"))
    default:
      let code = try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) } ?? .notFound
      throw KacheryError(code, try fields.optionalString("error") ?? "The daemon gave no reason.")
    }
  }
}

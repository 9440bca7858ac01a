package import Primitives

/// The body of `/loadFile`.
package struct LoadRequest: Hashable, Sendable {
  package var key: FileKey
  /// Load only from this node; nil for any.
  package var node: NodeID?
  /// Load only over this channel, given by name or address; nil for any.
  package var channel: String?
  /// Whether the client understands the message `waiting`; the published clients do not.
  package var reportWaiting: Bool
  /// The name of the file for people; nil if the client knows none.
  package var name: String?

  package init(
    key: FileKey, node: NodeID? = nil, channel: String? = nil, reportWaiting: Bool = false, name: String? = nil
  ) {
    self.name = name
    self.key = key
    self.node = node
    self.channel = channel
    self.reportWaiting = reportWaiting
  }

  /// Reads the body. The two published clients name the channel differently, and earlier clients of this software
  /// called `reportWaiting` `tellsWaits`.
  package init(_ fields: JSONFields) throws(KacheryError) {
    key = try FileKey(json: try fields.anyValue("fileKey"))
    node = try fields.optionalFixed("fromNode")
    let fromChannel = try fields.optionalString("fromChannel")
    let channelName = try fields.optionalString("channelName")
    channel = fromChannel ?? channelName
    let reportWaiting = try fields.optionalBool("reportWaiting")
    let tellsWaits = try fields.optionalBool("tellsWaits")
    self.reportWaiting = reportWaiting ?? tellsWaits ?? false
    name = try fields.optionalString("name")
  }

  package var json: JSONValue {
    [
      "fileKey": key.json, "fromNode": node.map { .string($0.hex) } ?? .null,
      "fromChannel": channel.map { .string($0) } ?? .null, "reportWaiting": .bool(reportWaiting),
      "name": name.map { .string($0) } ?? .null,
    ]
  }
}

/// The body of `/findFile`.
package struct FindFileRequest: Hashable, Sendable {
  /// How long a search without a timeout runs.
  package static let defaultTimeout: Duration = .seconds(4)
  /// The longest search, whatever timeout the client sets.
  package static let longestTimeout: Duration = .seconds(600)

  package var key: FileKey
  package var timeout: Duration

  package init(key: FileKey, timeout: Duration) {
    self.key = key
    self.timeout = timeout
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    key = try FileKey(json: try fields.anyValue("fileKey"))
    let milliseconds = try fields.optionalNumber("timeoutMsec")
    let wanted = milliseconds.map { Duration.milliseconds(max(0, min($0, 1e9))) } ?? Self.defaultTimeout
    timeout = min(wanted, Self.longestTimeout)
  }
}

/// The body of `/linkFile`.
package struct LinkRequest: Hashable, Sendable {
  package var path: String
  /// In bytes.
  package var size: UInt64
  /// The file's modification time, in seconds since 1970.
  package var modified: Double

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    path = try fields.string("localFilePath")
    size = try fields.unsigned("size")
    guard let modified = try fields.optionalNumber("mtime") else {
      throw KacheryError(.badRequest, "The field 'mtime' is missing.")
    }
    self.modified = modified
  }
}

/// The body of `/downloadFileData`.
package struct DownloadRequest: Hashable, Sendable {
  package var key: FileKey
  package var start: UInt64
  /// Nil for the end of the file.
  package var end: UInt64?

  package init(key: FileKey, start: UInt64, end: UInt64?) {
    self.key = key
    self.start = start
    self.end = end
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    key = try FileKey(json: try fields.anyValue("fileKey"))
    start = try fields.optionalUnsigned("startByte") ?? 0
    end = try fields.optionalUnsigned("endByte")
  }
}

/// The body of `/v1/read`.
package struct ReadRequest: Hashable, Sendable {
  package var key: FileKey
  package var start: UInt64
  /// Nil for the end of the file.
  package var end: UInt64?
  /// Load only from this node; nil for any.
  package var node: NodeID?
  /// Load only over this channel, given by name or address; nil for any.
  package var channel: String?

  package init(key: FileKey, start: UInt64, end: UInt64?, node: NodeID? = nil, channel: String? = nil) {
    self.key = key
    self.start = start
    self.end = end
    self.node = node
    self.channel = channel
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    let range = try DownloadRequest(fields)
    let load = try LoadRequest(fields)
    self.init(key: range.key, start: range.start, end: range.end, node: load.node, channel: load.channel)
  }

  package var json: JSONValue {
    var fields = LoadRequest(key: key, node: node, channel: channel).json.object ?? [:]
    fields["startByte"] = .integer(Int64(clamping: start))
    fields["endByte"] = end.map { .integer(Int64(clamping: $0)) } ?? .null
    return .object(fields)
  }
}

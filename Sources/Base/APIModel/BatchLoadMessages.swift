package import Primitives

/// The body of `/v1/load`: many files in one request.
package struct BatchLoadRequest: Hashable, Sendable {
  /// Most files that one request may name.
  package static let maximumFiles = 100_000
  /// Bytes of a name that are sent.
  private static let maximumNameLength = 255

  package var keys: [FileKey]
  /// The names of the files for people, in the order of the keys; nil for a file without a known name. Empty if there
  /// are none.
  package var names: [String?]
  /// Load only from this node; nil for any.
  package var node: NodeID?
  /// Load only over this channel, given by name or address; nil for any.
  package var channel: String?

  package init(keys: [FileKey], names: [String?] = [], node: NodeID? = nil, channel: String? = nil) {
    self.keys = keys
    self.names = names
    self.node = node
    self.channel = channel
  }

  /// Reads the body.
  package init(_ fields: JSONFields) throws(KacheryError) {
    guard let files = fields.value("files")?.array, files.count <= Self.maximumFiles else {
      throw KacheryError(.badRequest, "The field 'files' must be a list of at most \(Self.maximumFiles) file keys.")
    }
    var keys: [FileKey] = []
    for file in files { keys.append(try FileKey(json: file)) }
    self.keys = keys
    names = files.map { $0["name"]?.string }
    node = try fields.optionalFixed("fromNode")
    channel = try fields.optionalString("fromChannel")
  }

  package var json: JSONValue {
    [
      "files": .array(keys.indices.map { json(ofFile: $0) }), "fromNode": node.map { .string($0.hex) } ?? .null,
      "fromChannel": channel.map { .string($0) } ?? .null,
    ]
  }
}

extension BatchLoadRequest {
  private func json(ofFile index: Int) -> JSONValue {
    guard var file = keys[index].json.object, names.indices.contains(index), let name = names[index] else {
      return keys[index].json
    }
    file["name"] = .string(String(name.prefix(bytes: Self.maximumNameLength)))
    return .object(file)
  }
}

/// The messages of `/v1/load`. The last one reports how many files were loaded and how many failed.
package enum BatchLoadEvent: Sendable {
  /// The overall progress. Counts the bytes of the files started so far; the sizes of the others are not known yet.
  package struct Progress: Hashable, Sendable {
    package var filesEnded = 0
    package var filesTotal = 0
    package var bytesLoaded: UInt64 = 0

    package init() {}
  }

  case progress(Progress)
  /// Files are waiting because the node with them serves others first.
  case waiting(BusyNode)
  /// The file with this index in the request was loaded.
  case loaded(index: Int, path: String)
  /// The file with this index could not be loaded.
  case failed(index: Int, KacheryError)
  case finished(loaded: Int, failed: Int)

  package var json: JSONValue {
    switch self {
    case .progress(let progress):
      [
        "type": "progress", "filesEnded": .integer(Int64(progress.filesEnded)),
        "filesTotal": .integer(Int64(progress.filesTotal)),
        "bytesLoaded": .integer(Int64(clamping: progress.bytesLoaded)),
      ]
    case .waiting(let busy): busy.json
    case .loaded(let index, let path):
      ["type": "loaded", "index": .integer(Int64(index)), "localFilePath": .string(path)]
    case .failed(let index, let error):
      [
        "type": "failed", "index": .integer(Int64(index)), "error": .string(error.message),
        "code": .string(error.code.rawValue),
      ]
    case .finished(let loaded, let failed):
      ["type": "finished", "loaded": .integer(Int64(loaded)), "failed": .integer(Int64(failed))]
    }
  }

  /// Reads a daemon's message; throws the error that a message about the whole request reports.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "a message of the daemon")
    func number(_ name: String) throws(KacheryError) -> Int { Int(clamping: try fields.unsigned(name)) }
    func error() throws(KacheryError) -> KacheryError {
      let code = try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) } ?? .notFound
      return KacheryError(code, try fields.optionalString("error") ?? "The daemon gave no reason.")
    }
    switch try fields.string("type") {
    case "progress":
      var progress = Progress()
      progress.filesEnded = try number("filesEnded")
      progress.filesTotal = try number("filesTotal")
      progress.bytesLoaded = try fields.unsigned("bytesLoaded")
      self = .progress(progress)
    case "waiting": self = .waiting(try BusyNode(fields))
    case "loaded": self = .loaded(index: try number("index"), path: try fields.string("localFilePath"))
    case "failed": self = .failed(index: try number("index"), try error())
    case "finished": self = .finished(loaded: try number("loaded"), failed: try number("failed"))
    default: throw try error()
    }
  }
}

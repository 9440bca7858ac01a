import APIModel
import ContentStore
import Primitives

/// Maintenance of a storage directory: by the daemon, or by this process if no daemon runs.
extension Storage {
  /// Passes every file to `body`, in the order of the hashes.
  func list(_ body: (JSONFields) throws(KacheryError) -> Void) throws(KacheryError) {
    var last: ContentHash?
    while true {
      let page = try JSONFields(try page(after: last), named: "the list of stored files")
      for file in page.value("files")?.array ?? [] {
        let fields = try JSONFields(file, named: "a stored file")
        last = try fields.fixed("sha1")
        try body(fields)
      }
      if try page.optionalBool("isComplete") != false { return }
    }
  }

  private func page(after last: ContentHash?) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): try store.page(after: last)
    case .online(let client): try client.post("/v1/store/list", ["after": last.map { .string($0.hex) } ?? .null])
    }
  }

  func usage() throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): try store.usage().json
    case .online(let client): try client.post("/v1/store/usage", [:])
    }
  }

  /// Most files that are named in one request.
  private static let atOnce = 50_000

  /// Moves files to the trash; a preview changes nothing.
  ///
  /// - Returns: `{"removed", "refused"}`, as `/v1/store/remove`.
  func remove(_ hashes: [ContentHash], isPreview: Bool) throws(KacheryError) -> JSONValue {
    var (removed, refused): ([JSONValue], [JSONValue]) = ([], [])
    for hashes in Self.groups(of: hashes) {
      let answer =
        switch self {
        case .offline(let store): isPreview ? store.previewRemoval(hashes) : store.removeAll(hashes)
        case .online(let client):
          try client.post(isPreview ? "/v1/store/remove/preview" : "/v1/store/remove", Self.body(hashes))
        }
      removed += answer["removed"]?.array ?? []
      refused += answer["refused"]?.array ?? []
    }
    return ["removed": .array(removed), "refused": .array(refused)]
  }

  /// Pins or unpins the files; in the latter case, files of other pinned folders stay pinned unless they were named
  /// themselves.
  ///
  /// - Returns: how many were in the other state before, and how many stay pinned.
  func setPinned(
    _ isPinned: Bool, _ selection: StoredSelection
  ) throws(KacheryError) -> (changed: UInt64, kept: UInt64) {
    var (changed, kept): (UInt64, UInt64) = (0, 0)
    for (hashes, isSparing) in [(selection.files, false), (selection.inFolders, !isPinned)] {
      for hashes in Self.groups(of: hashes) {
        let answer = try setPinned(isPinned, hashes, isSparing)
        changed += answer["changed"]?.unsigned ?? 0
        kept += answer["kept"]?.unsigned ?? 0
      }
    }
    return (changed, kept)
  }

  private func setPinned(
    _ isPinned: Bool, _ hashes: [ContentHash], _ isSparing: Bool
  ) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): return try store.setPinned(isPinned, hashes, sparingFolders: isSparing)
    case .online(let client):
      var body = Self.body(hashes).object ?? [:]
      if isSparing { body["spareFolders"] = true }
      return try client.post(isPinned ? "/v1/store/pin" : "/v1/store/unpin", .object(body))
    }
  }

  func collect(emptyingTrash: Bool, removingDamaged: Bool, isPreview: Bool) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store):
      try store.collect(emptyingTrash: emptyingTrash, removingDamaged: removingDamaged, isPreview: isPreview)
    case .online(let client):
      try client.post(
        isPreview ? "/v1/store/collect/preview" : "/v1/store/collect",
        ["emptyTrash": .bool(emptyingTrash), "removeDamaged": .bool(removingDamaged)])
    }
  }

  private static func groups(of hashes: [ContentHash]) -> [[ContentHash]] {
    stride(from: 0, to: hashes.count, by: atOnce).map { Array(hashes[$0..<min($0 + atOnce, hashes.count)]) }
  }

  /// Checks these files, or all; passes on each message as it arrives. The last one has the type `finished`.
  func verify(_ hashes: [ContentHash], _ receive: (JSONValue) -> Void) throws(KacheryError) {
    switch self {
    case .offline(let store):
      let report = try store.verify(only: hashes.isEmpty ? nil : Set(hashes)) { (event) throws(KacheryError) in
        receive(event.json)
        return true
      }
      receive(report.json)
    case .online(let client):
      var isFinished = false
      try client.messages("/v1/store/verify", hashes.isEmpty ? [:] : Self.body(hashes)) { message in
        receive(message)
        isFinished = ["finished", "error"].contains(message["type"]?.string)
        return !isFinished
      }
      guard isFinished else { throw KacheryError(.disconnected, "The daemon went away during the check. Retry.") }
    }
  }

  private static func body(_ hashes: [ContentHash]) -> JSONValue {
    ["sha1s": .array(hashes.map { .string($0.hex) })]
  }
}

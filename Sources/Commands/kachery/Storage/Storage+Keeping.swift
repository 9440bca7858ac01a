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

  func remove(_ hashes: [ContentHash]) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): store.removeAll(hashes)
    case .online(let client): try client.post("/v1/store/remove", Self.body(hashes))
    }
  }

  func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): try store.setPinned(isPinned, hashes)
    case .online(let client): try client.post(isPinned ? "/v1/store/pin" : "/v1/store/unpin", Self.body(hashes))
    }
  }

  func collect(emptyingTrash: Bool, removingDamaged: Bool) throws(KacheryError) -> JSONValue {
    switch self {
    case .offline(let store): try store.collect(emptyingTrash: emptyingTrash, removingDamaged: removingDamaged)
    case .online(let client):
      try client.post(
        "/v1/store/collect", ["emptyTrash": .bool(emptyingTrash), "removeDamaged": .bool(removingDamaged)])
    }
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

extension Arguments {
  /// The operands as hashes; each may be a URI or 40 digits.
  func hashes() throws(KacheryError) -> [ContentHash] {
    var hashes: [ContentHash] = []
    for operand in operands {
      if let hash = ContentHash(hex: operand) {
        hashes.append(hash)
      } else {
        hashes.append(try KacheryURI(parsing: operand).key.hash)
      }
    }
    return hashes
  }

  /// As above, at least one.
  func requiredHashes() throws(KacheryError) -> [ContentHash] {
    let hashes = try hashes()
    guard !hashes.isEmpty else { throw KacheryError(.badRequest, "The URI is missing.") }
    return hashes
  }
}

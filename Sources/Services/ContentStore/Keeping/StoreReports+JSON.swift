package import Primitives

/// The reports of a store in the local API's JSON.

extension StoreUsage.Amount {
  /// `{"files", "bytes"}`
  package var json: JSONValue {
    ["files": .integer(Int64(clamping: count)), "bytes": .integer(Int64(clamping: bytes))]
  }
}

extension StoreUsage {
  /// The answer of `/v1/store/usage`.
  package var json: JSONValue {
    [
      "stored": files.json, "linked": links.json, "brokenLinks": .integer(Int64(clamping: brokenLinks)),
      "pinned": pinned.json, "trash": trash.json, "damaged": damaged.json, "unfinished": unfinished.json,
      "limit": limit.map { .integer(Int64(clamping: $0)) } ?? .null, "available": .integer(Int64(clamping: available)),
    ]
  }
}

extension ListedFile {
  /// One file in the answer of `/v1/store/list`.
  package var json: JSONValue {
    [
      "sha1": .string(hash.hex), "bytes": .integer(Int64(clamping: size)),
      "target": target.map { .string($0) } ?? .null,
      "isValid": .bool(isValid), "isPinned": .bool(isPinned), "lastUse": .integer(lastUse),
      "names": .array(names.map { .string($0) }),
    ]
  }
}

extension CollectReport {
  /// The answer of `/v1/store/collect`.
  package var json: JSONValue {
    [
      "files": .array(files.map(\.json)), "trash": trash.json,
      "removed": removed.json, "freed": .integer(Int64(clamping: freed)),
      "remaining": .integer(Int64(clamping: remaining)), "limit": limit.map { .integer(Int64(clamping: $0)) } ?? .null,
      "isOverLimit": .bool(isOverLimit),
    ]
  }
}

extension VerifyEvent {
  /// A message of `/v1/store/verify`.
  package var json: JSONValue {
    switch self {
    case .progress(let done, let total): ["type": "progress", "checked": done.json, "total": total.json]
    case .damaged(let hash, let path):
      ["type": "damaged", "sha1": .string(hash.hex), "setAside": .string(path)]
    case .brokenLink(let hash, let target):
      ["type": "brokenLink", "sha1": .string(hash.hex), "target": .string(target)]
    case .unreadable(let hash, let reason):
      ["type": "unreadable", "sha1": .string(hash.hex), "reason": .string(reason)]
    case .foreign(let path): ["type": "foreign", "path": .string(path)]
    case .absent(let hash): ["type": "absent", "sha1": .string(hash.hex)]
    }
  }

  /// Whether a later event of its kind replaces this one.
  package var isProgress: Bool { if case .progress = self { true } else { false } }
}

extension VerifyReport {
  /// The last message of `/v1/store/verify`.
  package var json: JSONValue {
    [
      "type": "finished", "checked": checked.json, "damaged": .integer(Int64(clamping: damaged)),
      "brokenLinks": .integer(Int64(clamping: brokenLinks)), "unreadable": .integer(Int64(clamping: unreadable)),
      "foreign": .integer(Int64(clamping: foreign)), "absent": .integer(Int64(clamping: absent)),
    ]
  }
}

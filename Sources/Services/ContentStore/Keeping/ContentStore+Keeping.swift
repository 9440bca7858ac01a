package import Primitives

/// The local API's calls that maintain a store. The daemon answers them; without a daemon the commands call them
/// directly.
extension ContentStore {
  /// Most files that one call lists.
  package static let listedAtOnce = 1_000

  /// The files after `last`, ordered by hash.
  ///
  /// - Returns: `{"files": […], "isComplete"}`
  package func page(after last: ContentHash?) throws(KacheryError) -> JSONValue {
    var files: [JSONValue] = []
    var isComplete = true
    try list(after: last) { file in
      guard files.count < Self.listedAtOnce else {
        isComplete = false
        return false
      }
      files.append(file.json)
      return true
    }
    return ["files": .array(files), "isComplete": .bool(isComplete)]
  }

  /// Removes these files. Files that cannot be removed are reported as refused.
  ///
  /// - Returns: `{"removed": [{"sha1", "bytes"}], "refused": [{"sha1", "error", "code"}]}`
  package func removeAll(_ hashes: [ContentHash]) -> JSONValue {
    var removed: [JSONValue] = []
    var refused: [JSONValue] = []
    for hash in hashes {
      do throws(KacheryError) {
        let bytes = try remove(hash)
        removed.append(["sha1": .string(hash.hex), "bytes": .integer(Int64(clamping: bytes))])
      } catch {
        refused.append([
          "sha1": .string(hash.hex), "error": .string(error.message), "code": .string(error.code.rawValue),
        ])
      }
    }
    return ["removed": .array(removed), "refused": .array(refused)]
  }

  /// Pins or unpins these files.
  ///
  /// - Returns: `{"changed"}`: how many of them were in the other state before.
  package func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) throws(KacheryError) -> JSONValue {
    var changed: Int64 = 0
    for hash in hashes where try isPinned ? pin(hash) : unpin(hash) { changed += 1 }
    return ["changed": .integer(changed)]
  }

  /// Enforces the limit and, if asked to, removes the trash and the damaged files for good.
  package func collect(emptyingTrash: Bool, removingDamaged: Bool) throws(KacheryError) -> JSONValue {
    var report = try collect(emptyingTrash: emptyingTrash)
    if removingDamaged { report.freed += removeDamaged() }
    return report.json
  }
}

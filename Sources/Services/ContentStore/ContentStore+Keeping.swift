package import Primitives

/// The calls of the local API that keep a store in order. A daemon answers them, and so do the commands where none runs.
extension ContentStore {
  /// Files that one call lists at most.
  package static let listedAtOnce = 1_000

  /// The files after `last` in the order of the hashes.
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

  /// Removes these files, as far as that is possible.
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

  /// Pins these files, or ends that.
  ///
  /// - Returns: `{"changed"}`: how many were not so before.
  package func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) throws(KacheryError) -> JSONValue {
    var changed: Int64 = 0
    for hash in hashes where try isPinned ? pin(hash) : unpin(hash) { changed += 1 }
    return ["changed": .integer(changed)]
  }

  /// Keeps to the limit, and removes for good what lies in the trash and what is damaged, if asked to.
  package func collect(emptyingTrash: Bool, removingDamaged: Bool) throws(KacheryError) -> JSONValue {
    var report = try collect(emptyingTrash: emptyingTrash)
    if removingDamaged { report.freed += removeDamaged() }
    return report.json
  }
}

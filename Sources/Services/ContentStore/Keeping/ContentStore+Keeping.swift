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
        refused.append(Self.refusal(of: hash, error))
      }
    }
    return ["removed": .array(removed), "refused": .array(refused)]
  }

  /// What `removeAll` would do.
  ///
  /// - Returns: as `removeAll`, with the name of each file, if one is known.
  package func previewRemoval(_ hashes: [ContentHash]) -> JSONValue {
    var removed: [JSONValue] = []
    var refused: [JSONValue] = []
    for hash in hashes {
      do throws(KacheryError) {
        let size = try requireRemovable(hash).file?.size ?? 0
        removed.append([
          "sha1": .string(hash.hex), "bytes": .integer(Int64(clamping: size)),
          "name": index?.names(of: hash).first.map { .string($0) } ?? .null,
        ])
      } catch { refused.append(Self.refusal(of: hash, error)) }
    }
    return ["removed": .array(removed), "refused": .array(refused)]
  }

  private static func refusal(of hash: ContentHash, _ error: KacheryError) -> JSONValue {
    ["sha1": .string(hash.hex), "error": .string(error.message), "code": .string(error.code.rawValue)]
  }

  /// Pins or unpins these files.
  ///
  /// - Parameter sparingFolders: whether files of folders whose documents are pinned stay pinned.
  /// - Returns: `{"changed", "kept"}`: how many of them were in the other state before, and how many stay pinned.
  package func setPinned(
    _ isPinned: Bool, _ hashes: [ContentHash], sparingFolders: Bool = false
  ) throws(KacheryError) -> JSONValue {
    var (changed, kept): (Int64, Int64) = (0, 0)
    let spared = sparingFolders && !isPinned ? try filesOfPinnedFolders(besides: Set(hashes)) : []
    for hash in hashes {
      if spared.contains(hash) {
        kept += 1
      } else if try isPinned ? pin(hash) : unpin(hash) {
        changed += 1
      }
    }
    return ["changed": .integer(changed), "kept": .integer(kept)]
  }

  /// Enforces the limit and, if asked to, removes the trash and the damaged files for good. A preview changes nothing.
  package func collect(
    emptyingTrash: Bool, removingDamaged: Bool, isPreview: Bool = false
  ) throws(KacheryError) -> JSONValue {
    var report = try collect(emptyingTrash: emptyingTrash, isPreview: isPreview)
    if removingDamaged { report.freed += isPreview ? setAside.bytes : removeDamaged() }
    return report.json
  }
}

import NodeCore
import Primitives

/// The large files whose manifests peers want and that have none: they are made one after another. Bound to the loop.
struct ManifestQueue {
  /// Files that may wait; beyond that peers are answered without a manifest.
  private static let capacity = 64

  /// In the order in which they were asked for; the first may be underway.
  private var files: [(hash: ContentHash, lookups: [LookupID])] = []
  private var isBusy = false

  /// Has the answer wait for the manifest of a file; says whether it may.
  mutating func add(_ hash: ContentHash, _ lookup: LookupID) -> Bool {
    if let place = files.firstIndex(where: { $0.hash == hash }) {
      files[place].lookups.append(lookup)
      return true
    }
    guard files.count < Self.capacity else { return false }
    files.append((hash, [lookup]))
    return true
  }

  /// The file whose manifest to make now; nil if there is none, or if one is being made.
  mutating func begin() -> ContentHash? {
    guard !isBusy, let first = files.first else { return nil }
    isBusy = true
    return first.hash
  }

  /// Ends the current manifest, made or not; returns the answers that have waited for it.
  mutating func end() -> [LookupID] {
    isBusy = false
    return files.isEmpty ? [] : files.removeFirst().lookups
  }
}

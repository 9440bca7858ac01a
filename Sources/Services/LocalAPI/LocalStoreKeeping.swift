package import APIModel
package import Primitives

/// What the local API needs to maintain a node's storage directory. Answers are JSON as `docs/local-api.md` describes.
package protocol LocalStoreKeeping: Actor {
  /// The stored files, one page at a time.
  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue
  /// The stored files whose names contain the text or whose hash begins with it, those used last first.
  ///
  /// - Parameters:
  ///   - skipping: how many of them to leave out.
  ///   - limit: most files in the answer; the store may return fewer.
  func searchStore(_ text: String, skipping: UInt64, atMost limit: UInt64) async throws(KacheryError) -> JSONValue
  /// Records the name under which a file was stored, for listings.
  func noteName(_ name: String, of hash: ContentHash) async
  /// Disk usage of the directory.
  func storeUsage() async throws(KacheryError) -> JSONValue
  /// Hashes these stored files again, or all. The check is cancelled when the consumer stops reading the stream.
  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error>
  /// Moves files to the trash.
  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue
  /// Moves files to the trash that other members prove to hold.
  func releaseFromStore(_ request: ReleaseRequest) -> AsyncThrowingStream<ReleaseEvent, any Error>
  /// What `removeFromStore` would do.
  func previewRemoval(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue
  /// Pins or unpins files.
  ///
  /// - Parameter sparingFolders: whether files of pinned folders stay pinned.
  func setPinned(
    _ isPinned: Bool, _ hashes: [ContentHash], sparingFolders: Bool
  ) async throws(KacheryError) -> JSONValue
  /// Enforces the limit and, if asked to, removes the trash and the damaged files for good. A preview changes nothing.
  func collectStore(
    emptyingTrash: Bool, removingDamaged: Bool, isPreview: Bool
  ) async throws(KacheryError) -> JSONValue
}

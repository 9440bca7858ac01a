package import Primitives

/// What the local API needs to keep a node's storage directory in order. Answers are JSON as `docs/local-api.md` has it.
package protocol LocalStoreKeeping: Actor {
  /// Files of the store, a page at a time.
  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue
  /// What fills the directory.
  func storeUsage() async throws(KacheryError) -> JSONValue
  /// Hashes these stored files again, or all. Whoever stops reading the stream ends the check.
  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error>
  /// Moves files to the trash.
  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue
  /// Pins files, or ends that.
  func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue
  /// Keeps to the limit, and empties the trash and removes damaged files if asked to.
  func collectStore(emptyingTrash: Bool, removingDamaged: Bool) async throws(KacheryError) -> JSONValue
}

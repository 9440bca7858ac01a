import Files
package import Primitives

extension ContentStore {
  /// Keeps a file from being removed to make room, until `unpin`. It need not be here yet. Pins are files, so they
  /// outlast the index.
  ///
  /// - Returns: whether it was not pinned before.
  @discardableResult
  package func pin(_ hash: ContentHash) throws(KacheryError) -> Bool {
    guard try !isPinned(hash) else { return false }
    try prepareOwnFolder(layout.pins)
    try File(layout.pin(hash), .create(permissions: StoreLayout.notePermissions)).close()
    try FileSystem.syncFolder(layout.pins)
    return true
  }

  /// Ends what `pin` began.
  ///
  /// - Returns: whether it was pinned.
  @discardableResult
  package func unpin(_ hash: ContentHash) throws(KacheryError) -> Bool {
    guard try isPinned(hash) else { return false }
    try FileSystem.remove(layout.pin(hash))
    try FileSystem.syncFolder(layout.pins)
    return true
  }

  /// Whether the file is pinned.
  package func isPinned(_ hash: ContentHash) throws(KacheryError) -> Bool {
    try FileSystem.statusIfPresent(layout.pin(hash), followingLinks: false) != nil
  }

  /// Every file that is pinned.
  func pins() throws(KacheryError) -> Set<ContentHash> {
    guard try FileSystem.statusIfPresent(layout.pins) != nil else { return [] }
    return Set(try FileSystem.names(in: layout.pins).compactMap { ContentHash(hex: $0) })
  }
}

import Files
package import Primitives

extension ContentStore {
  /// Protects a file from being removed to make room, until `unpin`. The file need not be stored yet. Pins are files,
  /// so they survive the loss of the index.
  ///
  /// - Returns: whether it was not pinned before.
  @discardableResult
  package func pin(_ hash: ContentHash) throws(KacheryError) -> Bool {
    guard try !isPinned(hash) else { return false }
    // Users who may list the stored files may list the pins as well.
    try FileSystem.createFolder(layout.pins, permissions: try folderPermissions(), keepsGroup: true)
    try File(layout.pin(hash), .create(permissions: StoreLayout.ownFilePermissions)).close()
    try FileSystem.syncFolder(layout.pins)
    return true
  }

  /// Removes the pin.
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

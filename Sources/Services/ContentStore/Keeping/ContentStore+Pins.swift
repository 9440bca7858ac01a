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

  /// The files of all stored folders whose documents are pinned, besides these documents.
  func filesOfPinnedFolders(besides documents: Set<ContentHash>) throws(KacheryError) -> Set<ContentHash> {
    var files: Set<ContentHash> = []
    for hash in try pins() where !documents.contains(hash) {
      guard let folder = folder(hash) else { continue }
      files.formUnion(folder.allFiles.map(\.file.hash))
    }
    return files
  }

  /// The folder of which a stored file is the document; nil if it is not here, or something else.
  private func folder(_ hash: ContentHash) -> FolderDocument? {
    guard let reader = try? open(hash) else { return nil }
    defer { reader.close() }
    let start = ByteRange(start: 0, end: min(reader.size, 64)).flatMap { try? reader.bytes($0) } ?? []
    // Most pinned files are no documents, and are not read as a whole.
    let beginning = start.filter { $0 > 0x20 }
    guard reader.size <= FolderDocument.maximumSize,
      beginning.starts(with: #"{"files":"#.utf8) || beginning.starts(with: #"{"dirs":"#.utf8),
      let whole = ByteRange(start: 0, end: reader.size), let bytes = try? reader.bytes(whole)
    else { return nil }
    return try? FolderDocument(parsing: bytes)
  }

  /// The folder of pins: an empty file for each pinned file, named by its hash.
  package var pinsFolder: String { layout.pins }

  /// Every file that is pinned.
  package func pins() throws(KacheryError) -> Set<ContentHash> {
    guard try FileSystem.statusIfPresent(layout.pins) != nil else { return [] }
    return Set(try FileSystem.names(in: layout.pins).compactMap { ContentHash(hex: $0) })
  }
}

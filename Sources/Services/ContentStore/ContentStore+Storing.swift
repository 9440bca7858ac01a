import Files
package import Primitives

extension ContentStore {
  /// Begins to store bytes that come from elsewhere.
  package func beginStore() throws(KacheryError) -> StoreWriter { try StoreWriter(self) }

  /// Stores a copy of the file at `path`, read once.
  ///
  /// - Throws: `fileChanged` where the file changes while it is read, and then nothing is stored; `badRequest` where it is
  ///   no regular file; `notFound`, `permissionDenied`, `diskFull`, `storageFailed`.
  package func store(path: String) throws(KacheryError) -> StoreReceipt {
    try store(path: path) { (_) throws(KacheryError) in }
  }

  /// As above, with a look at each block that was read. Tests change the file there; progress can be shown there.
  package func store(
    path: String, afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> StoreReceipt {
    let source = try File(path, .read)
    defer { source.close() }
    let before = try source.status()
    try Self.requireRegular(before, path)
    let writer = try beginStore()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.blockSize, alignment: 4096)
    defer { buffer.deallocate() }
    var count = try source.read(at: 0, into: buffer)
    var offset: UInt64 = 0
    while count > 0 {
      try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += UInt64(count)
      try afterBlock(offset)
      // A file that grows without end would otherwise be read without end.
      count = offset > before.size ? 0 : try source.read(at: offset, into: buffer)
    }
    let after = try source.status()
    let there = try FileSystem.statusIfPresent(path)
    guard offset == before.size, after.isUnchanged(since: before), there?.isSameFile(as: before) ?? false else {
      throw KacheryError(.fileChanged, "\(path) changed while it was read; store it again once nobody writes to it.")
    }
    return try writer.finish()
  }

  private static func requireRegular(_ status: FileStatus, _ path: String) throws(KacheryError) {
    switch status.kind {
    case .regular: return
    case .folder: throw KacheryError(.badRequest, "\(path) is a folder; name a file in it.")
    default: throw KacheryError(.badRequest, "\(path) is a device, pipe or socket; only regular files can be stored.")
    }
  }

  /// Stores a manifest as a file of its own.
  func storeManifest(_ manifest: Manifest) throws(KacheryError) -> ContentHash {
    let writer = try beginStore()
    try writer.write(manifest.json.compactBytes)
    return try writer.finish().hash
  }
}

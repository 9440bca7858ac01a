import Files
package import Primitives

extension ContentStore {
  /// Starts storing bytes from another source.
  package func beginStore() throws(KacheryError) -> StoreWriter { try StoreWriter(self) }

  /// Stores a copy of the file at `path`, reading it once.
  ///
  /// - Throws: `fileChanged` if the file changes while it is read, and then nothing is stored; `badRequest` if it is
  ///   not a regular file; `notFound`, `permissionDenied`, `diskFull`, `storageFailed`.
  package func store(path: String) throws(KacheryError) -> StoreReceipt {
    try store(path: path) { (_) throws(KacheryError) in }
  }

  /// As above, calling `afterBlock` for each block that was read: to report progress, or to change the file in a test.
  package func store(
    path: String, afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> StoreReceipt {
    let source = try File(path, .read)
    defer { source.close() }
    let before = try source.status()
    try Self.requireRegular(before, path)
    try clientScope.requireReadable(source)
    if let present = try presentCopy(of: source, size: before.size) {
      try Self.requireUnchanged(source, since: before, path)
      return present
    }
    let writer = try beginStore()
    func lookUp(_ bytesRead: UInt64) throws(KacheryError) {
      try activity.requireTime()
      try afterBlock(bytesRead)
    }
    let count =
      before.size > Limits.manifestThreshold
      ? try writer.copy(source, expecting: before.size, afterBlock: lookUp)
      : try Self.copy(source, to: writer, expecting: before.size, afterBlock: lookUp)
    guard count == before.size else { throw Self.changed(path) }
    try Self.requireUnchanged(source, since: before, path)
    return try writer.finish()
  }

  /// Copies until the source ends or exceeds `size`: a file that keeps growing would never end.
  private static func copy(
    _ source: File, to writer: StoreWriter, expecting size: UInt64,
    afterBlock: (_ bytesRead: UInt64) throws(KacheryError) -> Void
  ) throws(KacheryError) -> UInt64 {
    let wanted = Int(min(UInt64(Limits.blockSize), size + 1))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: UInt64 = 0
    while offset <= size {
      let count = try source.read(at: offset, into: buffer)
      guard count > 0 else { break }
      try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += UInt64(count)
      try afterBlock(offset)
    }
    return offset
  }

  /// - Throws: `fileChanged` unless an open file is unchanged and still at its path.
  static func requireUnchanged(_ source: File, since before: FileStatus, _ path: String) throws(KacheryError) {
    let there = try FileSystem.statusIfPresent(path)
    guard try source.status().isUnchanged(since: before), there?.isSameFile(as: before) ?? false else {
      throw changed(path)
    }
  }

  private static func changed(_ path: String) -> KacheryError {
    KacheryError(.fileChanged, "\(path) changed while it was read; store it again when no program is writing to it.")
  }

  static func requireRegular(_ status: FileStatus, _ path: String) throws(KacheryError) {
    switch status.kind {
    case .regular: return
    case .folder: throw KacheryError(.badRequest, "\(path) is a folder; name a file in it.")
    default: throw KacheryError(.badRequest, "\(path) is a device, pipe or socket; only regular files can be stored.")
    }
  }

  /// Stores a manifest as a file.
  func storeManifest(_ manifest: Manifest) throws(KacheryError) -> ContentHash {
    let writer = try beginStore()
    try manifest.write { (piece) throws(KacheryError) in try writer.write(piece) }
    return try writer.finish().hash
  }
}

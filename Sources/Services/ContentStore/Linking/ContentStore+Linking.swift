import Files
package import Primitives

extension ContentStore {
  /// Adds a file of the user to this store without copying it: reads its bytes once for their hash and writes a link to
  /// its path. The link is valid while the file's size and modification time stay the same.
  ///
  /// - Parameters:
  ///   - path: absolute.
  ///   - isExpected: whether this is the intended file, by its size and its modification time in seconds since 1970.
  /// - Throws: `fileChanged` if it is another file or changes while it is read; `badRequest` if it is not a regular
  ///   file or is inside the storage directory; `permissionDenied` if a user of this node might not be able to read it.
  package func link(
    path: String, isExpected: (_ size: UInt64, _ modified: Double) -> Bool = { _, _ in true }
  ) throws(KacheryError) -> StoreReceipt {
    guard path.begins(with: "/") else {
      throw KacheryError(.badRequest, "The path '\(path)' is not absolute; a link must hold wherever it is read.")
    }
    let source = try File(path, .read)
    defer { source.close() }
    let before = try source.status()
    try Self.requireRegular(before, path)
    try clientScope.requireReadable(source)
    try requireOutside(source)
    guard isExpected(before.size, before.modified) else {
      throw KacheryError(
        .fileChanged, "\(path) has another size or time of change than the request says; link it again.")
    }
    var digester = ContentDigester()
    try FileBlocks.forEach(of: source, ByteRange(whole: before.size)) { (block) throws(KacheryError) in
      try activity.requireTime()
      digester.update(block)
    }
    // The kernel makes up files, in /proc and /sys, whose size is not that of their content.
    guard try source.bytes(at: before.size, count: 1).isEmpty else {
      throw KacheryError(
        .fileChanged, "\(path) is longer than its size says; link it when no program is writing to it.")
    }
    try Self.requireUnchanged(source, since: before, path)
    let (hash, manifest) = digester.finish()
    let manifestHash = try manifest.map(storeManifest)
    noteManifest(manifestHash, of: hash, size: before.size)
    // A stored file needs no link, which could only break.
    if try !hasWholeFile(hash, size: before.size) {
      try keepPlace(of: hash, besides: path)
      let link = LinkDocument(path: path, manifest: manifestHash, size: before.size, modified: before.modified)
      try write(link, to: layout.link(hash), in: layout.folder(of: hash))
      index?.note([(hash, FileStamp(before))])
      try? FileSystem.remove(layout.damagedLink(hash))
    }
    activity.forget(brokenLink: hash)
    return StoreReceipt(hash: hash, manifest: manifestHash, size: before.size)
  }

  /// The target of the link to a file that has changed since; nil if there is no link or it is valid.
  package func brokenLinkTarget(_ hash: ContentHash) -> String? {
    if let link = try? link(hash) { return validPlace(hash, first: link) == nil ? link.path : nil }
    let path = layout.damagedLink(hash)
    guard let bytes = try? FileSystem.read(path, limit: LinkDocument.maximumSize) else { return nil }
    return (try? LinkDocument(parsing: bytes, path: path))?.path
  }

  private func hasWholeFile(_ hash: ContentHash, size: UInt64) throws(KacheryError) -> Bool {
    do throws(KacheryError) { return try wholeFile(hash) == size } catch  where error.code == .hashMismatch {
      return false
    }
  }

  /// The storage directory belongs to the store, and some of its files are secret.
  private func requireOutside(_ source: File) throws(KacheryError) {
    let root = try File(layout.root, .folder)
    defer { root.close() }
    guard let place = try source.truePath(), let folder = try root.truePath() else {
      throw KacheryError(.fileChanged, "\(source.path) was removed while it was checked; link it again.")
    }
    guard !place.begins(with: folder + "/") else {
      throw KacheryError(.badRequest, "\(source.path) is inside the storage directory; link a file outside it.")
    }
  }

  /// Writes a link atomically, so that no process reads half of it.
  func write(_ link: LinkDocument, to path: String, in folder: String) throws(KacheryError) {
    try prepareOwnFolder(layout.temporary)
    let file = try TemporaryFile.create(in: layout.temporary)
    defer { file.close() }
    do throws(KacheryError) {
      try file.write(at: 0, link.json.compactBytes)
      let isOwn = path.begins(with: "\(layout.own)/")
      try place(
        file, at: path, in: folder, permissions: isOwn ? StoreLayout.ownFilePermissions : StoreLayout.notePermissions)
    } catch {
      try? FileSystem.remove(file.path)
      throw error
    }
  }
}

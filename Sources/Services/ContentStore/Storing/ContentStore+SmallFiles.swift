import Crypto
import Files
package import Primitives

/// A small file whose bytes are in memory.
package struct SmallFile: Sendable {
  package let hash: ContentHash
  package let bytes: [UInt8]

  package init(hash: ContentHash, bytes: [UInt8]) {
    self.hash = hash
    self.bytes = bytes
  }
}

extension ContentStore {
  /// A complete file that is not in the store yet.
  private enum Unplaced {
    /// Has no name: a crash leaves nothing behind.
    case unnamed(File)
    /// For file systems where every file needs a name, such as NFS.
    case temporary(File)

    var file: File {
      switch self {
      case .unnamed(let file), .temporary(let file): file
      }
    }

    func discard() {
      if case .temporary(let file) = self { try? FileSystem.remove(file.path) }
      file.close()
    }
  }

  /// Verifies and admits many small files together. Waits for the disk twice, together with the files that other
  /// threads admit: before the files get their names, and afterwards.
  ///
  /// - Returns: for each file its path, or `hashMismatch` or another error, after which nothing of it remains.
  package func admit(_ files: [SmallFile]) -> [Result<String, KacheryError>] {
    let written = files.map { file in Result { () throws(KacheryError) in try write(file) } }
    do throws(KacheryError) {
      try disk.wait(forFileSystemHolding: layout.root)
      let permissions = try folderPermissions()
      let folder = try openFolderOfFiles(permissions)
      defer { folder.close() }
      let placed = zip(files, written).map { file, result in
        Result { () throws(KacheryError) in try place(try result.get(), file, in: folder, permissions) }
      }
      try disk.wait(forFileSystemHolding: layout.root)
      try requireInPlace(folder)
      index?.note(zip(files, placed).compactMap { file, stamp in (try? stamp.get()).map { (file.hash, $0) } })
      return zip(files, placed).map { file, stamp in stamp.map { _ in layout.file(file.hash) } }
    } catch {
      for case .success(let unplaced) in written { unplaced.discard() }
      return written.map { result in result.flatMap { _ in .failure(error) } }
    }
  }

  func openFolderOfFiles(_ permissions: UInt32) throws(KacheryError) -> File {
    try FileSystem.createFolder(layout.files, permissions: permissions, keepsGroup: true)
    return try File(layout.files, .folder)
  }

  /// - Throws: `storageFailed` if the folder was moved away while files were added to it.
  func requireInPlace(_ folder: File) throws(KacheryError) {
    // A user may have replaced it with a symbolic link on purpose.
    guard try folder.isStillAtItsPath(followingLinks: true) else {
      throw KacheryError(.storageFailed, "\(folder.path) was moved away while files were arriving; load them again.")
    }
  }

  private func write(_ small: SmallFile) throws(KacheryError) -> Unplaced {
    guard ContentHash.of(small.bytes) == small.hash else {
      throw KacheryError(.hashMismatch, "The bytes that arrived do not have the hash \(small.hash).")
    }
    let unplaced = try newUnplaced()
    do throws(KacheryError) {
      try makingRoom { () throws(KacheryError) in try unplaced.file.write(at: 0, small.bytes) }
      return unplaced
    } catch {
      unplaced.discard()
      throw error
    }
  }

  private func newUnplaced() throws(KacheryError) -> Unplaced {
    do throws(KacheryError) { return try Self.newUnplaced(in: layout.temporary) } catch  where error.code == .notFound {
      try prepareOwnFolder(layout.temporary)
      return try Self.newUnplaced(in: layout.temporary)
    }
  }

  private static func newUnplaced(in folder: String) throws(KacheryError) -> Unplaced {
    do throws(KacheryError) { return .unnamed(try File(folder, .createUnnamed(permissions: 0o600))) } catch
      where error.isUnnamedUnsupported
    {
      return .temporary(try TemporaryFile.create(in: folder))
    }
  }

  /// - Returns: the stamp of the file now in the store.
  private func place(
    _ unplaced: Unplaced, _ small: SmallFile, in folder: File, _ permissions: UInt32
  ) throws(KacheryError) -> FileStamp {
    var isPlaced = false
    defer { isPlaced ? unplaced.file.close() : unplaced.discard() }
    let name = StoreLayout.nameInFiles(of: small.hash)
    let final = "\(layout.files)/\(name)"
    let above = FileSystem.parent(of: name)
    try FileSystem.createFolder(above, permissions: permissions, in: folder, keepsGroup: true)
    try unplaced.file.setPermissions(StoreLayout.filePermissions)
    switch unplaced {
    case .unnamed(let file):
      do throws(KacheryError) { try file.link(to: name, in: folder) } catch  where error.isNameTaken {
        if let present = try present(small) { return present }
        try FileSystem.remove(final)
        try file.link(to: name, in: folder)
      }
    case .temporary(let file):
      if let present = try present(small) { return present }
      try FileSystem.rename(file.path, to: final)
    }
    isPlaced = true
    activity.grew(by: UInt64(small.bytes.count))
    return FileStamp(try unplaced.file.status())
  }

  /// The stamp of the file that is already in the store; nil if there is none or it is damaged.
  private func present(_ small: SmallFile) throws(KacheryError) -> FileStamp? {
    let path = layout.file(small.hash)
    guard let status = try FileSystem.statusIfPresent(path, followingLinks: false) else { return nil }
    let size = UInt64(small.bytes.count)
    tellOfDamage(status, small.hash, size: size)
    guard status.kind == .regular, status.size == size else { return nil }
    if isAsRecorded(small.hash, status) { return FileStamp(status) }
    // It may have been altered. The right bytes are in memory, so comparing is cheap.
    let bytes = try? FileSystem.read(path, limit: small.bytes.count)
    return bytes == small.bytes ? FileStamp(status) : nil
  }

  /// The answer to a peer that requests a small file.
  package enum SmallRead: Sendable {
    case bytes([UInt8])
    case absent
    case tooLarge
    case unreadable
  }

  /// Reads a whole stored file of at most `limit` bytes.
  package func readSmall(_ hash: ContentHash, limit: UInt64) -> SmallRead {
    do throws(KacheryError) {
      guard let reader = try open(hash) else { return .absent }
      defer { reader.close() }
      guard reader.size <= limit else { return .tooLarge }
      return .bytes(try reader.bytes(ByteRange(whole: reader.size)))
    } catch {
      // An altered file has been set aside, so it is no longer here.
      return error.code == .hashMismatch || error.code == .fileChanged ? .absent : .unreadable
    }
  }
}

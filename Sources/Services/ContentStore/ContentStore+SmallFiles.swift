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
  /// A file that is complete and has no place in the store yet.
  private enum Unplaced {
    /// Nothing of it can be left over.
    case unnamed(File)
    /// For file systems where every file has a name, as NFS.
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

  /// Verifies and admits many small files together. The disk is waited for twice for all of them, and for those that other
  /// threads admit: before they get their names, and after that.
  ///
  /// - Returns: for each if it lies, or `hashMismatch` or what went wrong, after which nothing of it is left.
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
    try FileSystem.createFolder(layout.files, permissions: permissions)
    return try File(layout.files, .folder)
  }

  /// - Throws: `storageFailed` if somebody moved the folder away while files were put into it.
  func requireInPlace(_ folder: File) throws(KacheryError) {
    // Somebody may have put a symbolic link in its place, on purpose.
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

  /// - Returns: how the file looks that is in its place now.
  private func place(
    _ unplaced: Unplaced, _ small: SmallFile, in folder: File, _ permissions: UInt32
  ) throws(KacheryError) -> FileStamp {
    var isPlaced = false
    defer { isPlaced ? unplaced.file.close() : unplaced.discard() }
    let name = StoreLayout.nameInFiles(of: small.hash)
    let final = "\(layout.files)/\(name)"
    try FileSystem.createFolder(FileSystem.parent(of: name), permissions: permissions, in: folder)
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

  /// How the file looks that is in its place already; nil if none is, or a damaged one.
  private func present(_ small: SmallFile) throws(KacheryError) -> FileStamp? {
    let path = layout.file(small.hash)
    guard let status = try FileSystem.statusIfPresent(path, followingLinks: false) else { return nil }
    let size = UInt64(small.bytes.count)
    tellOfDamage(status, small.hash, size: size)
    guard status.kind == .regular, status.size == size else { return nil }
    if isAsRecorded(small.hash, status) { return FileStamp(status) }
    // It may have been altered. Its bytes are in memory anyway.
    let bytes = try? FileSystem.read(path, limit: small.bytes.count)
    return bytes == small.bytes ? FileStamp(status) : nil
  }

  /// What a peer that asks for small files gets for one hash.
  package enum SmallRead: Sendable {
    case bytes([UInt8])
    case absent
    case tooLarge
    case unreadable
  }

  /// Reads a stored file of at most `limit` bytes as a whole.
  package func readSmall(_ hash: ContentHash, limit: UInt64) -> SmallRead {
    do throws(KacheryError) {
      guard let reader = try open(hash) else { return .absent }
      defer { reader.close() }
      guard reader.size <= limit else { return .tooLarge }
      return .bytes(try reader.bytes(ByteRange(whole: reader.size)))
    } catch {
      // What was altered has been set aside, so it is not here any more.
      return error.code == .hashMismatch || error.code == .fileChanged ? .absent : .unreadable
    }
  }
}

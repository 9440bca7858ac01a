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
  /// Verifies and admits many small files together. The disk is waited for twice for all of them: before they get their
  /// names, and after that.
  ///
  /// - Returns: for each where it lies, or `hashMismatch` or what went wrong, after which nothing of it is left.
  package func admit(_ files: [SmallFile]) -> [Result<String, KacheryError>] {
    let written = files.map { file in Result { () throws(KacheryError) in try write(file) } }
    do throws(KacheryError) {
      try FileSystem.syncFileSystem(holding: layout.root)
      let permissions = try folderPermissions()
      let placed = zip(files, written).map { file, result in
        Result { () throws(KacheryError) in
          guard let temporary = try result.get() else { return layout.file(file.hash) }
          return try place(temporary, file, permissions)
        }
      }
      try FileSystem.syncFileSystem(holding: layout.root)
      note(files, placed)
      return placed
    } catch {
      for case .success(let temporary?) in written { discard(temporary) }
      return written.map { result in result.flatMap { _ in .failure(error) } }
    }
  }

  private func note(_ files: [SmallFile], _ placed: [Result<String, KacheryError>]) {
    let here = zip(files, placed).compactMap { file, place in
      if case .success = place { (hash: file.hash, size: UInt64(file.bytes.count)) } else { nil }
    }
    index?.note(here)
  }

  /// - Returns: the temporary file; nil where the store has the file already.
  private func write(_ file: SmallFile) throws(KacheryError) -> File? {
    guard ContentHash.of(file.bytes) == file.hash else {
      throw KacheryError(.hashMismatch, "The bytes that came do not have the hash \(file.hash).")
    }
    let present = try FileSystem.statusIfPresent(layout.file(file.hash), followingLinks: false)
    if let present, present.kind == .regular, present.size == file.bytes.count { return nil }
    let temporary = try newTemporary()
    do throws(KacheryError) {
      try makingRoom { () throws(KacheryError) in try temporary.write(at: 0, file.bytes) }
      try temporary.setPermissions(StoreLayout.filePermissions)
      return temporary
    } catch {
      discard(temporary)
      throw error
    }
  }

  private func newTemporary() throws(KacheryError) -> File {
    do throws(KacheryError) { return try TemporaryFile.create(in: layout.temporary) } catch
      where error.code == .notFound
    {
      try prepareOwnFolder(layout.temporary)
      return try TemporaryFile.create(in: layout.temporary)
    }
  }

  private func place(_ temporary: File, _ file: SmallFile, _ permissions: UInt32) throws(KacheryError) -> String {
    let final = layout.file(file.hash)
    do throws(KacheryError) {
      try FileSystem.createFolder(layout.folder(of: file.hash), permissions: permissions)
      try FileSystem.rename(temporary.path, to: final)
    } catch {
      discard(temporary)
      throw error
    }
    temporary.close()
    activity.grew(by: UInt64(file.bytes.count))
    return final
  }

  private func discard(_ temporary: File) {
    try? FileSystem.remove(temporary.path)
    temporary.close()
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
      return .unreadable
    }
  }
}

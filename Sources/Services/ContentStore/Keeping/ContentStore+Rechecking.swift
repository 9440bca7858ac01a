import Crypto
import Files
import Primitives

/// Files that may have been altered since they were stored or linked. Their mode stops most writers, but neither root
/// nor the owner, and files of older software have another mode.
extension ContentStore {
  /// A file of at most this size that the index does not know is hashed before it is first returned: that costs little
  /// beside reading it. A larger one is accepted as found and watched from then on.
  static let hashedAtFirstSight: UInt64 = 1 << 20
  /// Without an index there are no records: a file of at most this size is hashed each time it is returned.
  static let hashedWithoutIndex = Limits.manifestThreshold

  /// Whether the file looks as it did when its bytes were last known to have its hash.
  func isAsRecorded(_ hash: ContentHash, _ status: FileStatus) -> Bool {
    index?.stamp(of: hash) == FileStamp(status)
  }

  /// Records that the file has its hash, and how it looks.
  func remember(_ hash: ContentHash, _ status: FileStatus) {
    index?.remember(FileStamp(status), of: hash, used: Self.lastUse(status))
  }

  /// Whether a file must be hashed before it is returned.
  func needsRecheck(_ hash: ContentHash, _ status: FileStatus) -> Bool {
    guard let index else { return status.size <= Self.hashedWithoutIndex }
    if let recorded = index.stamp(of: hash) { return recorded != FileStamp(status) }
    if status.size <= Self.hashedAtFirstSight { return true }
    remember(hash, status)
    return false
  }

  /// Whether the stored file is known to have its hash, or can be checked cheaply and has it.
  func isKnownWhole(_ hash: ContentHash, _ status: FileStatus) -> Bool {
    guard status.kind == .regular else { return false }
    if isAsRecorded(hash, status) { return true }
    guard status.size <= Self.hashedAtFirstSight, let file = try? openUnnoticed(hash, status) else { return false }
    defer { file.close() }
    return (try? recheck(hash, file)) ?? false
  }

  /// Opens the stored file with this status without recording a use; nil if it is gone.
  private func openUnnoticed(_ hash: ContentHash, _ status: FileStatus) throws(KacheryError) -> File? {
    let file: File
    do throws(KacheryError) { file = try File(layout.file(hash), .readUnnoticed) } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
    guard try file.status().isSameFile(as: status) else { throw Self.replaced(hash) }
    return file
  }

  private static func replaced(_ hash: ContentHash) -> KacheryError {
    KacheryError(.fileChanged, "The stored file \(hash) was replaced while it was checked; try again.")
  }

  /// Hashes a file again and, if its bytes have the hash, records how it looks.
  ///
  /// - Parameter isKnown: whether to accept the record of another thread that hashed the file in the meantime.
  /// - Returns: whether the bytes have the hash.
  /// - Throws: `fileChanged` if the file changes while it is read, `cancelled` if the process is ending,
  ///   `alreadyRunning` if too many large files are being hashed.
  func recheck(_ hash: ContentHash, _ file: File, isKnown: Bool = true) throws(KacheryError) -> Bool {
    let size = try file.status().size
    return try rechecks.perform(hash, size: size) { () throws(KacheryError) in
      let before = try file.status()
      if isKnown, isAsRecorded(hash, before) { return true }
      var digest = SHA1Digest()
      try FileBlocks.forEach(of: file, ByteRange(whole: before.size)) { (block) throws(KacheryError) in
        try activity.requireTime()
        digest.update(block)
      }
      guard try FileStamp(file.status()) == FileStamp(before) else {
        throw KacheryError(.fileChanged, "\(file.path) is being changed; stored and linked files must not change.")
      }
      guard digest.finish() == hash else { return false }
      remember(hash, before)
      return true
    }
  }

  /// The size of the stored file, hashed first if `needsRecheck` demands it; nil if it is not stored.
  ///
  /// - Throws: `hashMismatch` if it was altered; it is then set aside.
  func wholeFile(_ hash: ContentHash) throws(KacheryError) -> UInt64? {
    let path = layout.file(hash)
    // A symbolic link in place of a stored file is not one; its target does not concern the store.
    guard let status = try FileSystem.statusIfPresent(path, followingLinks: false) else { return nil }
    guard status.kind == .regular else { throw Self.notRegular(path) }
    guard needsRecheck(hash, status) else { return status.size }
    guard let file = try openUnnoticed(hash, status) else { return nil }
    defer { file.close() }
    try requireWhole(hash, file)
    return try file.status().size
  }

  /// - Throws: `hashMismatch` unless the open stored file has its hash; it is then set aside.
  func requireWhole(_ hash: ContentHash, _ file: File) throws(KacheryError) {
    guard try !recheck(hash, file) else { return }
    guard try file.isStillAtItsPath() else { throw Self.replaced(hash) }
    let place: String
    do throws(KacheryError) { place = try setAside(file.path, file, hash) } catch {
      log.error(
        "\(file.path) is damaged and cannot be set aside: \(error.message)", .fileDamaged, about: [.file("\(hash)")])
      throw Self.damaged(hash)
    }
    throw KacheryError(
      .hashMismatch,
      "The stored file \(hash) was altered since it was stored, so it is no longer served; it was set aside as "
        + "\(place). Load it again from another node, or store it again.")
  }

  /// Moves a damaged file, or the link to one, to the folder of damaged files, which are never served.
  ///
  /// - Parameter read: the file whose bytes do not have the hash.
  /// - Returns: its new path.
  func setAside(_ path: String, _ read: File, _ hash: ContentHash) throws(KacheryError) -> String {
    let place = try moveAside(path, to: layout.damaged)
    let isWhatWasRead = try FileSystem.statusIfPresent(place)?.isSameFile(as: try read.status()) ?? true
    // Another process has replaced it with a whole copy in the meantime.
    if ByteString(path) == ByteString(read.path), !isWhatWasRead { try FileSystem.rename(place, to: path) }
    index?.forget(hash)
    log.error(
      "\(path) is damaged: its bytes no longer have its hash. It was set aside.", .fileDamaged,
      about: [.file("\(hash)")])
    return place
  }
}

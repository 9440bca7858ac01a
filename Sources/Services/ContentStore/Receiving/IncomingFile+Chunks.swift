import Crypto
import Files
import Primitives
import Synchronization

/// The operations that chunks perform on their file.
extension IncomingFile {
  func requireOpen(_ state: State) throws(KacheryError) {
    guard state.isOpen else { throw KacheryError(.cancelled, "Receiving \(hash) has ended.") }
  }

  /// Starts feeding the chunk at `start` into the digest of the whole; returns whether it may.
  func beginFeeding(from start: UInt64) -> Bool { prefix.withLock { $0.begin(at: start) } }

  /// Hashes bytes of the feeding chunk into the digest of the whole and, if there is one, its own digest.
  func feed(_ bytes: UnsafeRawBufferPointer, alongside chunk: inout SHA1Digest?) {
    prefix.withLock { $0.update(bytes, alongside: &chunk) }
  }

  /// Confirms the feeding chunk after its last byte.
  func endFeeding() { prefix.withLock { $0.commit() } }

  /// Removes the feeding chunk's bytes from the digest of the whole.
  func undoFeeding() { prefix.withLock { $0.rollBack() } }

  /// A chunk that was fed completely is not part of the file after all: the digest has to restart.
  func spoilPrefix() { state.withLock { $0.isPrefixSpoiled = true } }

  /// The hash of all bytes up to the end of the feeding chunk.
  var prefixHash: ContentHash { prefix.withLock { $0.hash } }

  /// Writes bytes to their place, and starts writeback to the disk from time to time.
  func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try store.makingRoom { () throws(KacheryError) in try file.write(at: offset, bytes) }
    Writeback.start(of: file, from: offset, to: offset + UInt64(bytes.count))
  }

  /// Writes bytes of a spare copy.
  func write(_ bytes: UnsafeRawBufferPointer, to spare: File, at offset: UInt64) throws(KacheryError) {
    try store.makingRoom { () throws(KacheryError) in try spare.write(at: offset, bytes) }
  }

  /// Adds a chunk that arrived and, if it has a hash, was verified.
  func accept(_ range: ByteRange, _ hash: ContentHash?) throws(KacheryError) {
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      guard !range.isEmpty else { return }
      state.underway[range.start] = nil
      state.add(range, hash)
      guard let hash else { return }
      // Without its line a later session fetches the chunk again, which is no reason to fail this one.
      try? state.journal.append(Manifest.Chunk(range: range, hash: hash))
    }
    try prefix.withLock { (prefix) throws(KacheryError) in try catchUp(&prefix) }
  }

  /// Removes a chunk that has another hash or was abandoned.
  func reject(_ range: ByteRange) {
    state.withLock { state in
      if !range.isEmpty { state.underway[range.start] = nil }
    }
  }

  /// Copies a complete spare copy to its place, unless the chunk is present by now.
  func accept(_ range: ByteRange, _ hash: ContentHash?, copying spare: File) throws(KacheryError) {
    let late = try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      return state.underway[range.start]?.chunk
    }
    // Waits for the last write of the late chunk.
    late?.abandon()
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      guard state.arrived[range.start] == nil, state.underway[range.start] == nil else {
        throw KacheryError(.cancelled, "The chunk \(range) of \(self.hash) is here already.")
      }
      if !range.isEmpty { state.underway[range.start] = Underway(range: range, chunk: nil) }
    }
    do throws(KacheryError) {
      var place = range.start
      try FileBlocks.forEach(of: spare, ByteRange(whole: range.count)) { (block) throws(KacheryError) in
        try write(at: place, block)
        place += UInt64(block.count)
      }
    } catch {
      reject(range)
      throw error
    }
    try accept(range, hash)
  }

  /// Reads back chunks that arrived out of order, so that the digest of the whole covers as much as it can.
  func catchUp(_ prefix: inout PrefixDigest) throws(KacheryError) {
    while let range = state.withLock({ $0.arrived[prefix.end] }), prefix.begin(at: range.start) {
      do throws(KacheryError) {
        try FileBlocks.forEach(of: file, range) { prefix.update($0) }
      } catch {
        prefix.rollBack()
        throw error
      }
      prefix.commit()
    }
  }

  /// Opens the partial file for a later session to resume; nil if it holds only chunks of an earlier session that are
  /// not in `chunks`. A description of the file may be wrong and must not destroy what was received under another one.
  static func openKept(
    _ hash: ContentHash, for chunks: [Manifest.Chunk], in store: ContentStore
  ) throws(KacheryError) -> File? {
    try store.prepareOwnFolder(store.layout.partial)
    let file = try openPartial(store.layout.partial(hash), of: hash)
    let listed = PartialJournal(path: store.layout.journal(hash)).listed
    guard listed.isEmpty || !Set(listed).isDisjoint(with: chunks) else {
      file.close()
      return nil
    }
    return file
  }

  /// Takes over the chunks that are present and checks that there is room for the rest. If there is none, removes a
  /// file that contains nothing worth keeping.
  static func resume(
    _ file: File, _ journal: PartialJournal, _ chunks: [Manifest.Chunk], _ hash: ContentHash, size: UInt64,
    in store: ContentStore
  ) throws(KacheryError) -> Resumption {
    var resumption = Resumption(file: file, journal: journal)
    do throws(KacheryError) {
      try resumption.take(chunks, size: size) { chunk in
        guard chunk.hash != hash, let stored = try? store.find(chunk.hash), stored.size == chunk.range.count else {
          return nil
        }
        return try? File(stored.path, .read)
      }
      let present = resumption.verifiedBytes
      try store.makingRoom { () throws(KacheryError) in
        try requireSpace(for: size, beyond: present, in: store.layout.own)
      }
    } catch {
      if resumption.verified.isEmpty || !journal.isKept {
        try? resumption.journal.remove()
        try? FileSystem.remove(file.path)
      }
      file.close()
      throw error
    }
    return resumption
  }

  /// A new file that does not outlive the process.
  static func openBeside(in store: ContentStore) throws(KacheryError) -> File {
    try store.prepareOwnFolder(store.layout.temporary)
    return try TemporaryFile.create(in: store.layout.temporary)
  }

  /// Opens the partial file and locks it.
  static func openPartial(_ path: String, of hash: ContentHash) throws(KacheryError) -> File {
    // Another receiver may finish or discard the file after it is opened and before it is locked.
    for _ in 0..<100 {
      let file = try openWritable(path)
      guard try file.tryLock() else {
        throw KacheryError(.alreadyRunning, "The file \(hash) is being received already; wait until that has ended.")
      }
      if try file.isStillAtItsPath() { return file }
    }
    throw KacheryError(.storageFailed, "Could not keep \(path) open: something keeps removing it.")
  }

  /// Opens the partial file for writing. A process that ended just before it gave its file the final name may have left
  /// it read-only; it is made writable again unless its receiver is still running.
  private static func openWritable(_ path: String) throws(KacheryError) -> File {
    do throws(KacheryError) { return try File(path, .create(permissions: 0o600)) } catch
      where error.code == .permissionDenied
    {
      let file = try File(path, .read)
      defer { file.close() }
      guard try file.tryLock(), try file.isStillAtItsPath() else { return try File(path, .read) }
      try file.setPermissions(0o600)
      return try File(path, .create(permissions: 0o600))
    }
  }

  /// - Throws: `diskFull` before requesting bytes for which there would be no room.
  static func requireSpace(for size: UInt64, beyond present: UInt64, in folder: String) throws(KacheryError) {
    let available = try FileSystem.availableBytes(at: folder)
    guard size <= present || size - present <= available else {
      throw KacheryError(
        .diskFull,
        "The file needs \(size - present) bytes, but \(folder) has only \(available) available; free some space and "
          + "try again.")
    }
  }
}

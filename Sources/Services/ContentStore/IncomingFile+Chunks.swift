import Crypto
import Files
import Primitives
import Synchronization

/// What the chunks of a file do with it.
extension IncomingFile {
  func requireOpen(_ state: State) throws(KacheryError) {
    guard state.isOpen else { throw KacheryError(.cancelled, "Receiving \(hash) has ended.") }
  }

  /// Whether the bytes of the chunk at `start` shall go into the digest of the whole as they arrive.
  func beginFeeding(from start: UInt64) -> Bool { prefix.withLock { $0.begin(at: start) } }

  /// Takes bytes of the chunk that feeds into the digest of the whole, and into its own where it has one.
  func feed(_ bytes: UnsafeRawBufferPointer, alongside chunk: inout SHA1Digest?) {
    prefix.withLock { $0.update(bytes, alongside: &chunk) }
  }

  /// Every byte of the chunk that feeds has been taken in.
  func endFeeding() { prefix.withLock { $0.commit() } }

  /// The bytes of the chunk that feeds do not count.
  func undoFeeding() { prefix.withLock { $0.rollBack() } }

  /// A chunk that was taken in to its end is not part of the file after all: the digest has to begin anew.
  func spoilPrefix() { state.withLock { $0.isPrefixSpoiled = true } }

  /// The hash of everything up to the end of the chunk that feeds.
  var prefixHash: ContentHash { prefix.withLock { $0.hash } }

  /// Writes bytes to their place, and has the system begin to put them on the disk every now and then.
  func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try store.makingRoom { () throws(KacheryError) in try file.write(at: offset, bytes) }
    Writeback.start(of: file, from: offset, to: offset + UInt64(bytes.count))
  }

  /// Writes bytes of a spare copy.
  func write(_ bytes: UnsafeRawBufferPointer, to spare: File, at offset: UInt64) throws(KacheryError) {
    try store.makingRoom { () throws(KacheryError) in try spare.write(at: offset, bytes) }
  }

  /// The chunk is here, and has its hash if it has one.
  func accept(_ range: ByteRange, _ hash: ContentHash?) throws(KacheryError) {
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      guard !range.isEmpty else { return }
      state.underway[range.start] = nil
      state.add(range, hash)
      guard let hash else { return }
      // Without its line the chunk is fetched again by a later session, which is no reason to fail this one.
      try? state.journal.append(Manifest.Chunk(range: range, hash: hash))
    }
    try prefix.withLock { (prefix) throws(KacheryError) in try catchUp(&prefix) }
  }

  /// The chunk has another hash, or the caller gives it up.
  func reject(_ range: ByteRange) {
    state.withLock { state in
      if !range.isEmpty { state.underway[range.start] = nil }
    }
  }

  /// The spare copy of a chunk is complete: takes its bytes over, unless the chunk is here by now.
  func accept(_ range: ByteRange, _ hash: ContentHash?, copying spare: File) throws(KacheryError) {
    let late = try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      return state.underway[range.start]?.chunk
    }
    // Its last write ends before this returns.
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

  /// Reads back chunks that did not arrive in order, so that the digest of the whole reaches as far as it can.
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

  /// Opens the partial file that a later session may go on with; nil if it holds chunks of an earlier session that are
  /// none of these. A description of the file that may be wrong must not cost what was received by another one.
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

  /// Takes over what is here of the chunks, and sees whether there is room for the rest. If not, a file in which nothing is
  /// worth keeping does not stay.
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

  /// A new file that is removed with the process at the latest.
  static func openBeside(in store: ContentStore) throws(KacheryError) -> File {
    try store.prepareOwnFolder(store.layout.temporary)
    return try TemporaryFile.create(in: store.layout.temporary)
  }

  /// Opens the partial file and takes its lock.
  static func openPartial(_ path: String, of hash: ContentHash) throws(KacheryError) -> File {
    // Another receiver may finish or discard the file between its being opened and locked here.
    for _ in 0..<100 {
      let file = try openWritable(path)
      guard try file.tryLock() else {
        throw KacheryError(.alreadyRunning, "The file \(hash) is being received already; wait until that has ended.")
      }
      if try file.isStillAtItsPath() { return file }
    }
    throw KacheryError(.storageFailed, "Could not keep \(path) open: something keeps removing it.")
  }

  /// A process that ended just before it gave its file a final name may have left one that only root could open: it is
  /// writable again unless its receiver still lives.
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

  /// - Throws: `diskFull` before a byte is asked for that would have no room.
  static func requireSpace(for size: UInt64, beyond present: UInt64, in folder: String) throws(KacheryError) {
    let available = try FileSystem.availableBytes(at: folder)
    guard size <= present || size - present <= available else {
      throw KacheryError(
        .diskFull,
        "The file needs \(size - present) bytes, but \(folder) has room for \(available); free some space and try again."
      )
    }
  }
}

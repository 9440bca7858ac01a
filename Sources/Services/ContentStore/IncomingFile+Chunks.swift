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
  func beginFeeding(from start: UInt64) -> Bool { state.withLock { $0.prefix.begin(at: start) } }

  /// Takes bytes of the chunk that feeds into the digest of the whole.
  func feed(_ bytes: UnsafeRawBufferPointer) { state.withLock { $0.prefix.update(bytes) } }

  /// The hash of everything up to the end of the chunk that feeds.
  var prefixHash: ContentHash { state.withLock { $0.prefix.hash } }

  /// The chunk has its hash.
  func accept(_ chunk: Manifest.Chunk, isFeeding: Bool) throws(KacheryError) {
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      if isFeeding { state.prefix.commit() }
      guard !chunk.range.isEmpty else { return }
      state.underway[chunk.range.start] = nil
      state.verified[chunk.range.start] = chunk
      state.verifiedBytes += chunk.range.count
      // Without its line the chunk is fetched again by a later session, which is no reason to fail this one.
      try? state.journal.append(chunk)
      try catchUp(&state)
    }
  }

  /// The chunk has another hash, or nobody goes on with it.
  func reject(_ range: ByteRange, isFeeding: Bool) {
    state.withLock { state in
      if isFeeding { state.prefix.rollBack() }
      if !range.isEmpty { state.underway[range.start] = nil }
    }
  }

  /// Reads back verified chunks that did not arrive in order, so that the digest of the whole reaches as far as it can.
  func catchUp(_ state: inout State) throws(KacheryError) {
    while let chunk = state.verified[state.prefix.end], state.prefix.begin(at: chunk.range.start) {
      do throws(KacheryError) {
        try FileBlocks.forEach(of: file, chunk.range) { state.prefix.update($0) }
      } catch {
        state.prefix.rollBack()
        throw error
      }
      state.prefix.commit()
    }
  }

  /// Opens the partial file and takes its lock.
  static func openPartial(_ path: String, of hash: ContentHash) throws(KacheryError) -> File {
    // Another receiver may finish or discard the file between its being opened and locked here.
    for _ in 0..<100 {
      let file = try File(path, .create(permissions: 0o600))
      guard try file.tryLock() else {
        throw KacheryError(.alreadyRunning, "The file \(hash) is being received already; wait until that has ended.")
      }
      if try file.isStillAtItsPath() { return file }
    }
    throw KacheryError(.storageFailed, "Could not keep \(path) open: something keeps removing it.")
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

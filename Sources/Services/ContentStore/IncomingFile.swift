import Crypto
import Files
package import Primitives
import Synchronization

/// A file on its way into the store from another node: chunks are written to their places, each verified by itself, and
/// the whole is verified before it is admitted.
///
///     receiving ──finish──▶ admitted
///         ├──finish, another hash──▶ discarded
///         └──close──▶ kept for a later session where a chunk was verified, else discarded
///
/// Any thread may call. Only one object receives a file at a time, in whatever process.
package final class IncomingFile: Sendable {
  struct State {
    var prefix = PrefixDigest()
    var journal: PartialJournal
    /// Verified chunks by their first byte, empty ones left out.
    var verified: [UInt64: Manifest.Chunk] = [:]
    var verifiedBytes: UInt64
    /// Chunks on their way by their first byte.
    var underway: [UInt64: ByteRange] = [:]
    var isOpen = true
  }

  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  /// The chunks that an earlier session left and that are here already, verified.
  package let resumed: [Manifest.Chunk]
  let store: ContentStore
  let file: File
  let state: Mutex<State>

  init(_ store: ContentStore, _ hash: ContentHash, size: UInt64, chunks: [Manifest.Chunk]) throws(KacheryError) {
    try store.prepareOwnFolder(store.layout.partial)
    file = try Self.openPartial(store.layout.partial(hash), of: hash)
    var resumption = Resumption(file: file, journal: PartialJournal(path: store.layout.journal(hash)))
    try resumption.take(chunks, size: size)
    try Self.requireSpace(for: size, beyond: resumption.verifiedBytes, in: store.layout.partial)
    self.store = store
    self.hash = hash
    self.size = size
    resumed = resumption.verified
    let verified = Dictionary(uniqueKeysWithValues: resumed.map { ($0.range.start, $0) })
    state = Mutex(
      State(
        prefix: resumption.prefix, journal: resumption.journal, verified: verified,
        verifiedBytes: resumption.verifiedBytes))
  }

  deinit { close() }

  /// Begins to receive the bytes of `range`, which must hash to `expected`.
  ///
  /// - Throws: `badRequest` where the range reaches past the file's end or overlaps what is here or on its way.
  package func beginChunk(_ range: ByteRange, expected: ContentHash) throws(KacheryError) -> IncomingChunk {
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      guard range.end <= size else {
        throw KacheryError(.badRequest, "The file \(hash) has \(size) bytes; the chunk \(range) is past its end.")
      }
      // A second writer could spoil bytes that were verified already.
      let overlaps = state.verified.values.contains { $0.range.overlaps(range) }
      guard !overlaps, !state.underway.values.contains(where: { $0.overlaps(range) }) else {
        throw KacheryError(.badRequest, "The chunk \(range) of \(hash) is here or on its way already.")
      }
      if !range.isEmpty { state.underway[range.start] = range }
    }
    return IncomingChunk(of: self, range, expected: expected)
  }

  /// Bytes that are here and verified.
  package var verifiedBytes: UInt64 { state.withLock { $0.verifiedBytes } }

  /// Verifies the whole and admits it.
  ///
  /// - Throws: `hashMismatch` where the whole has another hash although each chunk had its own, and then nothing is left;
  ///   `badRequest` where a chunk is missing; `diskFull` and the like, after which the chunks are kept.
  package func finish() throws(KacheryError) -> StoredFile {
    try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      try catchUp(&state)
      guard state.prefix.end == size, state.underway.isEmpty else {
        throw KacheryError(.badRequest, "The file \(hash) is not complete: byte \(state.prefix.end) is missing.")
      }
      guard state.prefix.hash == hash else {
        discard(&state)
        throw KacheryError(
          .hashMismatch, "The bytes received for \(hash) have another hash as a whole; load it from another node.")
      }
      try file.truncate(to: size)
      try store.admit(file, as: hash, size: size)
      state.isOpen = false
      try? state.journal.remove()
      file.close()
      return StoredFile(hash: hash, size: size, path: store.layout.file(hash), link: nil)
    }
  }

  /// Stops receiving. What was verified is kept for a later session. Does nothing the second time or after `finish()`.
  package func close() {
    state.withLock { state in
      guard state.isOpen else { return }
      guard !state.verified.isEmpty else { return discard(&state) }
      state.isOpen = false
      file.close()
    }
  }

  /// Stops receiving and removes what was received. Does nothing the second time or after `finish()`.
  package func discard() {
    state.withLock { state in
      if state.isOpen { discard(&state) }
    }
  }

  private func discard(_ state: inout State) {
    state.isOpen = false
    // In this order and while the lock is held, so that no other receiver can be met by it.
    try? state.journal.remove()
    try? FileSystem.remove(file.path)
    file.close()
  }
}

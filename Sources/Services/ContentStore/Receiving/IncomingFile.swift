import Crypto
import Files
package import Primitives
import Synchronization

/// A file being received from other nodes. Chunks are written to their places and verified one by one, and the whole is
/// verified before it is admitted.
///
///     receiving ──finish──▶ admitted
///         ├──finish, another hash──▶ discarded
///         └──close──▶ kept for a later session if a chunk is present and verified, else discarded
///
/// Thread-safe. Across all processes, only one object receives a file to the place that a later session resumes; others
/// in the same process may receive it beside that one.
package final class IncomingFile: Sendable {
  struct State {
    var journal: PartialJournal
    /// Chunks that have arrived, by first byte; without empty ones.
    private(set) var arrived: [UInt64: ByteRange] = [:]
    /// The same bytes as a few long ranges, so that looking for an overlap does not visit every chunk.
    private var present = RangeSet<UInt64>()
    private(set) var arrivedBytes: UInt64 = 0
    /// Those that have a hash of their own, by first byte.
    private(set) var verified: [UInt64: Manifest.Chunk] = [:]
    /// Whether the digest of the whole includes bytes that are not in the file.
    var isPrefixSpoiled = false
    /// Chunks being received, by first byte; without spare copies.
    var underway: [UInt64: Underway] = [:]
    var isOpen = true

    init(journal: PartialJournal, verified: [Manifest.Chunk]) {
      self.journal = journal
      for chunk in verified { add(chunk.range, chunk.hash) }
    }

    /// Adds a chunk that has arrived, with its hash unless only the whole file verifies it.
    mutating func add(_ range: ByteRange, _ hash: ContentHash?) {
      arrived[range.start] = range
      present.insert(contentsOf: range.start..<range.end)
      arrivedBytes += range.count
      if let hash { verified[range.start] = Manifest.Chunk(range: range, hash: hash) }
    }

    /// Whether a byte of the range is present or being received.
    func overlaps(_ range: ByteRange) -> Bool {
      present.overlaps(range) || underway.values.contains { $0.range.overlaps(range) }
    }
  }

  /// A chunk that is being written to its place.
  struct Underway {
    let range: ByteRange
    weak var chunk: IncomingChunk?
  }

  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  /// Verified chunks that were present at the start: left by an earlier session, or loaded as files of their own.
  package let resumed: [Manifest.Chunk]
  /// The layout of the chunks as reported to other nodes; nil without a manifest.
  let shape: ChunkShape?
  let store: ContentStore
  let file: File
  /// Whether a later session may resume it.
  let isKept: Bool
  /// Locked before `state` if both are needed; held while hashing.
  let prefix: Mutex<PrefixDigest>
  /// Held only briefly: the event loop may wait for it.
  let state: Mutex<State>
  /// Why bytes could not be saved to the disk before the end; held while saving.
  private let savingFailure = Mutex<KacheryError?>(nil)

  init(
    _ store: ContentStore, _ hash: ContentHash, size: UInt64, manifest: ContentHash?, chunks: [Manifest.Chunk],
    isBeside: Bool
  ) throws(KacheryError) {
    let kept = isBeside ? nil : try Self.openKept(hash, for: chunks, in: store)
    let file = if let kept { kept } else { try Self.openBeside(in: store) }
    let journal = PartialJournal(path: kept == nil ? nil : store.layout.journal(hash))
    let resumption = try Self.resume(file, journal, chunks, hash, size: size, in: store)
    self.file = file
    isKept = kept != nil
    self.store = store
    self.hash = hash
    self.size = size
    resumed = resumption.verified
    shape = manifest.flatMap { ChunkShape(manifest: $0, chunks: chunks) }
    prefix = Mutex(resumption.prefix)
    state = Mutex(State(journal: resumption.journal, verified: resumption.verified))
  }

  deinit { close() }

  /// Starts receiving the bytes of `range`, which must hash to `expected`; nil if only the whole file verifies them.
  ///
  /// - Parameter kept: number of first bytes that an earlier chunk of this range has written. They are hashed again.
  /// - Throws: `badRequest` if the range extends past the file's end; `alreadyRunning` if it overlaps bytes that are
  ///   present or being received: a second writer could corrupt bytes that are present.
  package func beginChunk(
    _ range: ByteRange, expected: ContentHash?, after kept: UInt64 = 0
  ) throws(KacheryError) -> IncomingChunk {
    try requireInside(range)
    return try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      guard !state.overlaps(range) else {
        throw KacheryError(.alreadyRunning, "The chunk \(range) of \(hash) is here or on its way already.")
      }
      let chunk = IncomingChunk(of: self, range, expected: expected, after: min(kept, range.count))
      if !range.isEmpty { state.underway[range.start] = Underway(range: range, chunk: chunk) }
      return chunk
    }
  }

  /// Starts receiving a second copy of a chunk that is late. Its bytes go to a separate file; if it is complete first,
  /// they are copied to their place and the late chunk is abandoned.
  package func beginSpareChunk(_ range: ByteRange, expected: ContentHash?) throws(KacheryError) -> IncomingChunk {
    try requireInside(range)
    try state.withLock { (state) throws(KacheryError) in try requireOpen(state) }
    return IncomingChunk(of: self, range, expected: expected, in: try Self.openBeside(in: store))
  }

  private func requireInside(_ range: ByteRange) throws(KacheryError) {
    guard range.end <= size else {
      throw KacheryError(.badRequest, "The file \(hash) has \(size) bytes; the chunk \(range) is past its end.")
    }
  }

  /// Whether the chunk is present. It may have been accepted just before it was abandoned.
  package func hasArrived(_ range: ByteRange) -> Bool { state.withLock { $0.arrived[range.start] == range } }

  /// Bytes in chunks that are present and have a hash of their own.
  package var verifiedBytes: UInt64 { state.withLock { $0.verified.isEmpty ? 0 : $0.arrivedBytes } }

  /// Bytes in chunks that are present.
  package var arrivedBytes: UInt64 { state.withLock { $0.arrivedBytes } }

  /// Verifies the whole and admits it.
  ///
  /// - Throws: `hashMismatch` if the whole has another hash although each chunk that has a hash matches it, and then
  ///   nothing is left; `badRequest` if a chunk is missing; `diskFull` and similar, after which the chunks are kept.
  package func finish() throws(KacheryError) -> StoredFile {
    try prefix.withLock { (prefix) throws(KacheryError) in
      try state.withLock { (state) throws(KacheryError) in try requireOpen(state) }
      if state.withLock({ $0.isPrefixSpoiled }) { restart(&prefix) }
      try catchUp(&prefix)
      guard prefix.end == size, state.withLock({ $0.underway.isEmpty }) else {
        throw KacheryError(.badRequest, "The file \(hash) is not complete: byte \(prefix.end) is missing.")
      }
      guard prefix.hash == hash else {
        discard()
        throw KacheryError(
          .hashMismatch, "The bytes received for \(hash) have another hash as a whole; load it from another node.")
      }
      return try admit()
    }
  }

  /// Returns once the bytes written so far are on the disk, so that `finish()` waits less.
  ///
  /// The system reports a write that failed in the background only once, so `finish()` fails after this has failed.
  package func saveEarly() throws(KacheryError) {
    try savingFailure.withLock { (failure) throws(KacheryError) in
      if let failure { throw failure }
      do throws(KacheryError) { try file.sync() } catch {
        failure = error
        throw error
      }
    }
  }

  private func restart(_ prefix: inout PrefixDigest) {
    prefix = PrefixDigest()
    state.withLock { $0.isPrefixSpoiled = false }
  }

  private func admit() throws(KacheryError) -> StoredFile {
    // The event loop may wait for the lock, so most bytes are saved before it is taken.
    if size >= Writeback.step { try saveEarly() }
    return try state.withLock { (state) throws(KacheryError) in
      try requireOpen(state)
      try file.truncate(to: size)
      try store.admit(file, as: hash, size: size)
      state.isOpen = false
      try? state.journal.remove()
      file.close()
      if !isKept { store.removeKept(hash) }
      return StoredFile(hash: hash, size: size, path: store.layout.file(hash), link: nil)
    }
  }

  /// Stops receiving and keeps what has arrived for a later session. Idempotent; does nothing after `finish()`.
  package func close() {
    state.withLock { state in
      guard state.isOpen else { return }
      guard isKept, !state.verified.isEmpty else { return discard(&state) }
      state.isOpen = false
      file.close()
    }
  }

  /// Stops receiving and removes what has arrived. Idempotent; does nothing after `finish()`.
  package func discard() {
    state.withLock { state in
      if state.isOpen { discard(&state) }
    }
  }

  private func discard(_ state: inout State) {
    state.isOpen = false
    // In this order and with the lock held, so that no other receiver can find the half-removed file.
    try? state.journal.remove()
    try? FileSystem.remove(file.path)
    file.close()
  }
}

extension RangeSet<UInt64> {
  /// Whether the two ranges share a byte.
  fileprivate func overlaps(_ range: ByteRange) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > range.start { high = middle } else { low = middle + 1 }
    }
    return low < ranges.count && ranges[low].lowerBound < range.end
  }
}

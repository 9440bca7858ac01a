import Crypto
import Files
package import Primitives
import Synchronization

/// A file on its way into the store from another node: chunks are written to their places, each verified by itself, and
/// the whole is verified before it is admitted.
///
///     receiving ──finish──▶ admitted
///         ├──finish, another hash──▶ discarded
///         └──close──▶ kept for a later session if a chunk is here and has its hash, else discarded
///
/// Any thread may call. Only one object in all processes receives a file to the place from which a later session goes on;
/// others in the same process may receive it beside that one.
package final class IncomingFile: Sendable {
  struct State {
    var journal: PartialJournal
    /// Chunks that are here by their first byte, empty ones left out.
    private(set) var arrived: [UInt64: ByteRange] = [:]
    /// The same bytes as few long ranges, so that a look for an overlap does not go through every chunk.
    private var present = RangeSet<UInt64>()
    private(set) var arrivedBytes: UInt64 = 0
    /// Those of them that have a hash of their own, by their first byte.
    private(set) var verified: [UInt64: Manifest.Chunk] = [:]
    /// Whether the digest of the whole has taken in bytes that are not in the file.
    var isPrefixSpoiled = false
    /// Chunks on their way by their first byte, spare copies left out.
    var underway: [UInt64: Underway] = [:]
    var isOpen = true

    init(journal: PartialJournal, verified: [Manifest.Chunk]) {
      self.journal = journal
      for chunk in verified { add(chunk.range, chunk.hash) }
    }

    /// A chunk is here; it has this hash, if only the whole file does not show what is right.
    mutating func add(_ range: ByteRange, _ hash: ContentHash?) {
      arrived[range.start] = range
      present.insert(contentsOf: range.start..<range.end)
      arrivedBytes += range.count
      if let hash { verified[range.start] = Manifest.Chunk(range: range, hash: hash) }
    }

    /// Whether a byte of the range is here or on its way.
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
  /// The chunks that are here already, verified: an earlier session left them, or they had been loaded by themselves.
  package let resumed: [Manifest.Chunk]
  /// What others are told of the chunks; nil if there is no manifest.
  let shape: ChunkShape?
  let store: ContentStore
  let file: File
  /// Whether a later session may go on with it.
  let isKept: Bool
  /// Taken before `state` where both are; held for as long as hashing takes.
  let prefix: Mutex<PrefixDigest>
  /// Held for moments only: the loop may wait for it.
  let state: Mutex<State>

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

  /// Begins to receive the bytes of `range`, which must hash to `expected`; nil if only the whole file verifies them.
  ///
  /// - Parameter kept: how many of its first bytes an earlier chunk of this range has written. They are hashed again.
  /// - Throws: `badRequest` if the range reaches past the file's end; `alreadyRunning` if it overlaps what is here or on
  ///   its way: a second writer could spoil bytes that are here.
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

  /// Begins to receive a second copy of a chunk that is on its way but late. Its bytes go to a file of their own; if it is
  /// complete first, they are copied to their place and the late one is abandoned.
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

  /// Whether the chunk is here. It may have been accepted just before it was given up.
  package func hasArrived(_ range: ByteRange) -> Bool { state.withLock { $0.arrived[range.start] == range } }

  /// Bytes of chunks that are here and have a hash of their own.
  package var verifiedBytes: UInt64 { state.withLock { $0.verified.isEmpty ? 0 : $0.arrivedBytes } }

  /// Bytes of chunks that are here.
  package var arrivedBytes: UInt64 { state.withLock { $0.arrivedBytes } }

  /// Verifies the whole and admits it.
  ///
  /// - Throws: `hashMismatch` if the whole has another hash, although each chunk that has one has its own, and then
  ///   nothing is left; `badRequest` where a chunk is missing; `diskFull` and the like, after which the chunks are kept.
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

  private func restart(_ prefix: inout PrefixDigest) {
    prefix = PrefixDigest()
    state.withLock { $0.isPrefixSpoiled = false }
  }

  private func admit() throws(KacheryError) -> StoredFile {
    try state.withLock { (state) throws(KacheryError) in
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

  /// Stops receiving. What is here is kept for a later session. Does nothing the second time or after `finish()`.
  package func close() {
    state.withLock { state in
      guard state.isOpen else { return }
      guard isKept, !state.verified.isEmpty else { return discard(&state) }
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

extension RangeSet<UInt64> {
  /// Whether the two share a byte.
  fileprivate func overlaps(_ range: ByteRange) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > range.start { high = middle } else { low = middle + 1 }
    }
    return low < ranges.count && ranges[low].lowerBound < range.end
  }
}

import Crypto
import Files
package import Primitives
import Synchronization

/// A chunk of a file that is being received. Its bytes are written and hashed in order as they arrive; writing and
/// hashing may run on two threads.
///
/// Thread-safe. A chunk that is released before it is accepted can be received again.
package final class IncomingChunk: Sendable {
  private struct Hashing {
    /// Nil if the digest of the whole file covers the chunk too, or the chunk has no hash of its own.
    var digest: SHA1Digest?
    /// The next byte to hash.
    var position: UInt64
    /// Whether the bytes also go into the digest of the whole.
    var isFeeding = false
    var hasBegun = false
    var hasEnded = false
    var isOpen = true
  }

  private struct Writing {
    /// The next byte to write.
    var position: UInt64
    var isOpen = true
  }

  package let range: ByteRange
  /// Its first bytes, already written by an earlier chunk of the same range.
  private let kept: ByteRange
  /// The separate file of a spare copy; nil if the bytes go to their place in the file.
  private let spare: File?
  /// Nil for a part that only the hash of the whole file verifies.
  private let expected: ContentHash?
  private let parent: IncomingFile
  private let hashing: Mutex<Hashing>
  private let writing: Mutex<Writing>

  init(
    of parent: IncomingFile, _ range: ByteRange, expected: ContentHash?, after count: UInt64 = 0, in spare: File? = nil
  ) {
    self.parent = parent
    self.range = range
    self.expected = expected
    self.spare = spare
    kept = ByteRange(start: range.start, end: range.start + count) ?? range
    hashing = Mutex(Hashing(position: kept.end))
    writing = Mutex(Writing(position: kept.end))
  }

  deinit { abandon() }

  /// Bytes present, including those kept from an earlier chunk.
  package var received: UInt64 { writing.withLock { $0.position - range.start } }

  /// Writes and hashes the next bytes: `write` followed by `digest`.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try write(bytes)
    try digest(bytes)
  }

  /// Writes the next bytes.
  ///
  /// - Throws: `protocolViolation` if more bytes arrive than the chunk has; `diskFull` and similar. Either way the
  ///   chunk is abandoned.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try orAbandon { () throws(KacheryError) in
      try writing.withLock { (state) throws(KacheryError) in
        try require(state.isOpen)
        try requireRoom(for: bytes.count, at: state.position)
        if let spare {
          try parent.write(bytes, to: spare, at: state.position - range.start)
        } else {
          try parent.write(at: state.position, bytes)
        }
        state.position += UInt64(bytes.count)
      }
    }
  }

  /// Hashes the next bytes.
  package func digest(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try orAbandon { () throws(KacheryError) in
      try hashing.withLock { (state) throws(KacheryError) in
        try require(state.isOpen)
        try requireRoom(for: bytes.count, at: state.position)
        if !state.hasBegun { try begin(&state) }
        take(bytes, &state)
        state.position += UInt64(bytes.count)
      }
    }
  }

  private func begin(_ state: inout Hashing) throws(KacheryError) {
    state.hasBegun = true
    state.isFeeding = spare == nil && parent.beginFeeding(from: range.start)
    if expected != nil, !isPrefix(state) { state.digest = SHA1Digest() }
    guard !kept.isEmpty else { return }
    try FileBlocks.forEach(of: parent.file, kept) { take($0, &state) }
  }

  private func take(_ bytes: UnsafeRawBufferPointer, _ state: inout Hashing) {
    if state.isFeeding { parent.feed(bytes, alongside: &state.digest) } else { state.digest?.update(bytes) }
  }

  /// Whether the digest of the whole file is also that of the chunk, because nothing precedes or follows it.
  private func isPrefix(_ state: Hashing) -> Bool { state.isFeeding && range.start == 0 }

  /// Ends hashing, after the last byte: checks the chunk's hash if it has one.
  ///
  /// - Throws: `hashMismatch` if the bytes have another hash, `disconnected` if bytes are missing; either way the chunk
  ///   is abandoned and can be received again.
  package func endDigest() throws(KacheryError) {
    try orAbandon { () throws(KacheryError) in
      try hashing.withLock { (state) throws(KacheryError) in
        try require(state.isOpen)
        try requireEnd(state.position)
        if !state.hasBegun { try begin(&state) }
        let found = state.digest?.finish() ?? (isPrefix(state) ? parent.prefixHash : nil)
        guard expected == nil || found == nil || found == expected else {
          throw KacheryError(.hashMismatch, "The bytes \(range) received for \(parent.hash) have another hash.")
        }
        if state.isFeeding { parent.endFeeding() }
        state.hasEnded = true
      }
    }
  }

  /// Makes the chunk part of the file, after its last byte was written and hashed.
  package func accept() throws(KacheryError) {
    try orAbandon { () throws(KacheryError) in
      try hashing.withLock { (state) throws(KacheryError) in try require(state.isOpen && state.hasEnded) }
      try writing.withLock { (state) throws(KacheryError) in
        try require(state.isOpen)
        try requireEnd(state.position)
        if let spare {
          try parent.accept(range, expected, copying: spare)
        } else {
          try parent.accept(range, expected)
        }
        state.isOpen = false
      }
      hashing.withLock { $0.isOpen = false }
      removeSpare()
    }
  }

  /// Whether the chunk is part of the file.
  package var isAccepted: Bool { hashing.withLock { !$0.isOpen && $0.hasEnded } && parent.hasArrived(range) }

  private func removeSpare() {
    guard let spare else { return }
    // If this fails, the next start removes the file.
    try? FileSystem.remove(spare.path)
    spare.close()
  }

  /// Checks and accepts the chunk: `endDigest` followed by `accept`.
  package func finish() throws(KacheryError) {
    try endDigest()
    try accept()
  }

  /// Abandons the chunk; does nothing once it was accepted or has failed. Nothing is written to its place afterwards.
  package func abandon() {
    let wasWriting = writing.withLock { state in
      defer { state.isOpen = false }
      return state.isOpen
    }
    hashing.withLock { state in
      guard state.isOpen else { return }
      state.isOpen = false
      guard state.isFeeding else { return }
      state.hasEnded ? parent.spoilPrefix() : parent.undoFeeding()
    }
    guard wasWriting else { return }
    if spare == nil { parent.reject(range) } else { removeSpare() }
  }

  private func orAbandon(_ body: () throws(KacheryError) -> Void) throws(KacheryError) {
    do throws(KacheryError) { try body() } catch {
      abandon()
      throw error
    }
  }

  private func require(_ isOpen: Bool) throws(KacheryError) {
    guard isOpen else { throw KacheryError(.cancelled, "Receiving \(range) of \(parent.hash) has ended.") }
  }

  private func requireRoom(for count: Int, at position: UInt64) throws(KacheryError) {
    guard UInt64(count) <= range.end - position else {
      throw KacheryError(.protocolViolation, "More bytes arrived for \(range) of \(parent.hash) than it has.")
    }
  }

  private func requireEnd(_ position: UInt64) throws(KacheryError) {
    guard position == range.end else {
      throw KacheryError(
        .disconnected, "Only \(position - range.start) of \(range.count) bytes of \(parent.hash) arrived.")
    }
  }
}

import Crypto
import Files
package import Primitives
import Synchronization

/// A chunk of a file that is being received: its bytes are written and hashed as they arrive, in order.
///
/// Any thread may call; calls take turns. A chunk that is let go without `finish()` can be begun again.
package final class IncomingChunk: Sendable {
  private struct State {
    var digest = SHA1Digest()
    /// Where the next byte goes.
    var position: UInt64
    /// Whether the bytes also go into the digest of the whole.
    var isFeeding = false
    var isOpen = true
  }

  package let range: ByteRange
  private let expected: ContentHash
  private let parent: IncomingFile
  private let state: Mutex<State>

  init(of parent: IncomingFile, _ range: ByteRange, expected: ContentHash) {
    self.parent = parent
    self.range = range
    self.expected = expected
    state = Mutex(State(position: range.start))
  }

  deinit { abandon() }

  /// The digest of the whole is then that of the chunk, so one of the two is enough.
  private var isWhole: Bool { range.start == 0 && range.end == parent.size }

  /// Bytes received so far.
  package var received: UInt64 { state.withLock { $0.position - range.start } }

  /// Writes the next bytes.
  ///
  /// - Throws: `protocolViolation` where the chunk gets more bytes than it has; `diskFull` and the like. Either way the
  ///   chunk is abandoned.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    try whileOpen { (state) throws(KacheryError) in
      guard UInt64(bytes.count) <= range.end - state.position else {
        throw KacheryError(.protocolViolation, "More bytes came for \(range) of \(parent.hash) than it has.")
      }
      if state.position == range.start, !state.isFeeding { state.isFeeding = parent.beginFeeding(from: range.start) }
      if !isWhole { state.digest.update(bytes) }
      if state.isFeeding { parent.feed(bytes) }
      try parent.file.write(at: state.position, bytes)
      state.position += UInt64(bytes.count)
    }
  }

  /// Verifies the chunk.
  ///
  /// - Throws: `hashMismatch` where it has another hash, `disconnected` where bytes are missing; either way it is
  ///   abandoned and can be begun again.
  package func finish() throws(KacheryError) {
    try whileOpen { (state) throws(KacheryError) in
      guard state.position == range.end else {
        let count = state.position - range.start
        throw KacheryError(.disconnected, "Only \(count) of \(range.count) bytes of \(parent.hash) came.")
      }
      guard (isWhole ? parent.prefixHash : state.digest.finish()) == expected else {
        throw KacheryError(.hashMismatch, "The bytes \(range) received for \(parent.hash) have another hash.")
      }
      try parent.accept(Manifest.Chunk(range: range, hash: expected), isFeeding: state.isFeeding)
      state.isOpen = false
    }
  }

  /// Gives the chunk up; does nothing after `finish()` or a failure.
  package func abandon() { state.withLock { abandon(&$0) } }

  private func whileOpen(_ body: (inout State) throws(KacheryError) -> Void) throws(KacheryError) {
    try state.withLock { (state) throws(KacheryError) in
      guard state.isOpen else { throw KacheryError(.cancelled, "Receiving \(range) of \(parent.hash) has ended.") }
      do throws(KacheryError) { try body(&state) } catch {
        abandon(&state)
        throw error
      }
    }
  }

  private func abandon(_ state: inout State) {
    guard state.isOpen else { return }
    state.isOpen = false
    parent.reject(range, isFeeding: state.isFeeding)
  }
}

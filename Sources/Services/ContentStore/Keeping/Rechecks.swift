import Primitives
import Synchronization

/// Schedules rehashing: one thread per file, and at most two threads on large files, so that a pool with few threads
/// stays available to others.
final class Rechecks: Sendable {
  private final class Turn: Sendable {
    let isRunning = Mutex<Void>(())
  }

  private struct State {
    var turns: [ContentHash: (turn: Turn, threads: Int)] = [:]
    var threadsAtLargeFiles = 0
  }

  /// Files above this size take long enough to hash that a client notices.
  private static let largeSize: UInt64 = 64 << 20
  private static let maximumThreadsAtLargeFiles = 2

  private let state = Mutex(State())

  /// Runs `body` while no other thread runs one for this file.
  ///
  /// - Throws: `alreadyRunning` if too many threads are busy with large files; also rethrows errors of `body`.
  func perform<Answer>(
    _ hash: ContentHash, size: UInt64, _ body: () throws(KacheryError) -> Answer
  ) throws(KacheryError) -> Answer {
    let isLarge = size > Self.largeSize
    let turn = try state.withLock { (state) throws(KacheryError) in
      guard !isLarge || state.threadsAtLargeFiles < Self.maximumThreadsAtLargeFiles else { throw Self.refusal(hash) }
      if isLarge { state.threadsAtLargeFiles += 1 }
      let turn = state.turns[hash]?.turn ?? Turn()
      state.turns[hash, default: (turn, 0)].threads += 1
      return turn
    }
    defer { end(hash, isLarge: isLarge) }
    return try turn.isRunning.withLock { (_) throws(KacheryError) in try body() }
  }

  private func end(_ hash: ContentHash, isLarge: Bool) {
    state.withLock { state in
      if isLarge { state.threadsAtLargeFiles -= 1 }
      state.turns[hash]?.threads -= 1
      if state.turns[hash]?.threads == 0 { state.turns[hash] = nil }
    }
  }

  private static func refusal(_ hash: ContentHash) -> KacheryError {
    KacheryError(
      .alreadyRunning,
      "The file \(hash) was touched since it was stored and must be hashed again, after other large files; try again "
        + "in a minute.")
  }
}

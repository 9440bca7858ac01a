package import Primitives
import Synchronization

/// Shares waits for the disk among threads: one sync serves all threads that arrive while the previous one is running.
package final class SharedSync: Sendable {
  private let rounds = Mutex(SyncRounds())
  /// Held by the thread that is waiting for the disk.
  private let turn = Mutex(())

  package init() {}

  /// Returns once everything that the caller has written to the file system of the folder is on the disk.
  package func wait(forFileSystemHolding path: String) throws(KacheryError) {
    let number = rounds.withLock { $0.come() }
    try turn.withLock { (_) throws(KacheryError) in
      if let outcome = rounds.withLock({ $0.outcome(of: number) }) { return try outcome.get() }
      let last = rounds.withLock(\.last)
      let outcome = Result { () throws(KacheryError) in try FileSystem.syncFileSystem(holding: path) }
      rounds.withLock { $0.ended(for: last, outcome) }
      try outcome.get()
    }
  }
}

/// Numbers the threads that need a sync, and records which of them were served.
struct SyncRounds {
  /// The latest thread.
  private(set) var last: UInt64 = 0
  /// All threads up to this one have been served.
  private var served: UInt64 = 0
  /// All threads up to this one may have lost writes: the system reports an error only once (syncfs(2)).
  private var failed: UInt64 = 0
  private var failure: KacheryError?

  /// Registers a thread that has written data; returns its number.
  mutating func come() -> UInt64 {
    last += 1
    return last
  }

  /// The outcome for this thread's writes; nil if no sync has started since.
  func outcome(of number: UInt64) -> Result<Void, KacheryError>? {
    if let failure, number <= failed { return .failure(failure) }
    return number <= served ? .success(()) : nil
  }

  /// Records the outcome of a sync that started when `last` was the latest thread.
  mutating func ended(for last: UInt64, _ outcome: Result<Void, KacheryError>) {
    served = last
    if case .failure(let error) = outcome { (failed, failure) = (last, error) }
  }
}

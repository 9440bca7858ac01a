package import Primitives
import Synchronization

/// Waits for the disk that threads share: all who come while one of them waits are served by one wait after it.
package final class SharedSync: Sendable {
  private let rounds = Mutex(SyncRounds())
  /// Whose turn it is to wait for the disk.
  private let turn = Mutex(())

  package init() {}

  /// Returns once everything that the caller has written to the file system that holds the folder is on the disk.
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

/// Who has come to wait for the disk, and for whom it has been waited.
struct SyncRounds {
  /// Who came last.
  private(set) var last: UInt64 = 0
  /// Everybody up to this one has been served.
  private var served: UInt64 = 0
  /// Everybody up to this one may have lost what they wrote: the system tells of an error once only (syncfs(2)).
  private var failed: UInt64 = 0
  private var failure: KacheryError?

  /// Somebody has written something; returns their number.
  mutating func come() -> UInt64 {
    last += 1
    return last
  }

  /// What became of what this one wrote; nil if nobody has waited for the disk since then.
  func outcome(of number: UInt64) -> Result<Void, KacheryError>? {
    if let failure, number <= failed { return .failure(failure) }
    return number <= served ? .success(()) : nil
  }

  /// A wait is over that began when this one had come last.
  mutating func ended(for last: UInt64, _ outcome: Result<Void, KacheryError>) {
    served = last
    if case .failure(let error) = outcome { (failed, failure) = (last, error) }
  }
}

import Database
import Primitives
import Synchronization
import Threads

/// Writes `feeds.db` on its own thread, with all queued work in one transaction.
final class FeedWriter: Sendable {
  /// Most pieces of work in one transaction, so that no caller waits for long.
  private static let largestGroup = 1_000

  private struct Work: Sendable {
    /// Performs the work and keeps its outcome.
    let run: @Sendable (inout FeedLedger) throws(KacheryError) -> Void
    /// Reports the outcome once it is on the disk, or the error.
    let end: @Sendable (KacheryError?) -> Void
  }

  private struct Line {
    var waiting: [Work] = []
    /// Whether the thread will check for work again.
    var isScheduled = false
    var isClosed = false
  }

  private let line = Mutex(Line())
  private let ledger: Mutex<FeedLedger>
  /// At most two jobs are ever unfinished: one that is running, and one that will check for more work.
  private let lane: WorkerThread

  init(_ ledger: sending FeedLedger) throws(KacheryError) {
    lane = try WorkerThread(named: "feeds", depth: 3)
    self.ledger = Mutex(ledger)
  }

  /// Queues work; `then` is called on the writing thread.
  func write<Outcome: Sendable>(
    _ run: @escaping @Sendable (inout FeedLedger) throws(KacheryError) -> Outcome,
    then: @escaping @Sendable (Result<Outcome, KacheryError>) -> Void
  ) {
    let outcome = Mutex<Outcome?>(nil)
    let box = Box(outcome)
    let work = Work(
      run: { (ledger) throws(KacheryError) in
        let result = try run(&ledger)
        box.value.withLock { $0 = result }
      },
      end: { error in
        guard error == nil, let outcome = box.value.withLock({ $0 }) else {
          return then(.failure(error ?? KacheryError(.internalError, "A write to feeds.db ended without a result.")))
        }
        then(.success(outcome))
      })
    let isOpen = line.withLock { line in
      guard !line.isClosed else { return false }
      line.waiting.append(work)
      return true
    }
    guard isOpen else { return work.end(KacheryError(.cancelled, "The node is stopping.")) }
    schedule()
  }

  private func schedule() {
    let isNew = line.withLock { line in
      defer { line.isScheduled = true }
      return !line.isScheduled
    }
    guard isNew else { return }
    lane.add { [weak self] in self?.writeGroup() }
  }

  private func writeGroup() {
    let (group, hasMore) = line.withLock { line in
      line.isScheduled = false
      let group = Array(line.waiting.prefix(Self.largestGroup))
      line.waiting.removeFirst(group.count)
      return (group, !line.waiting.isEmpty)
    }
    if hasMore { schedule() }
    ledger.withLock { ledger in Self.write(group, to: &ledger) }
  }

  /// Writes a group in one transaction. If the database rejects it, writes each piece of work in a separate
  /// transaction, so that one that fails does not hold up the others.
  private static func write(_ group: [Work], to ledger: inout FeedLedger) {
    guard !group.isEmpty else { return }
    var failures = [KacheryError?](repeating: nil, count: group.count)
    do throws(KacheryError) {
      try ledger.connection.begin()
      for (index, work) in group.enumerated() {
        do throws(KacheryError) { try work.run(&ledger) } catch {
          guard error.databaseCode == nil else { throw error }
          failures[index] = error
        }
      }
      try ledger.connection.commit()
    } catch {
      ledger.connection.rollBack()
      ledger.forget()
      guard group.count == 1 else {
        for work in group { write([work], to: &ledger) }
        return
      }
      failures[0] = error
    }
    for (work, failure) in zip(group, failures) { work.end(failure) }
  }

  /// Writes what is queued, then rejects further work. Idempotent.
  func close() {
    let isFirst = line.withLock { line in
      defer { line.isClosed = true }
      return !line.isClosed
    }
    guard isFirst else { return }
    while line.withLock({ !$0.waiting.isEmpty }) { writeGroup() }
    ledger.withLock { $0.connection.close() }
  }

  private final class Box<Value>: Sendable where Value: ~Copyable, Value: Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
  }
}

import EventLoop
import Primitives
import Synchronization
import Testing
import Transfer

@testable import Daemon

/// Serial work on the pool, and bytes that wait for a rate limit.
@Suite(.timeLimit(.minutes(1))) struct SerialPoolQueueTests {
  /// A log of completed work, written by any thread.
  private final class Journal: Sendable {
    private let lines = Mutex<[Int]>([])
    func append(_ line: Int) { lines.withLock { $0.append(line) } }
    var all: [Int] { lines.withLock { $0 } }
  }

  private actor Worker {
    let loop: EventLoop
    let done = Journal()
    let heard = Journal()
    let failures = Journal()
    private lazy var queue = SerialPoolQueue(loop: loop)

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws { loop = try EventLoop(name: "queue") }

    /// Adds this much work to the queue, half of it before any has started, and closes the queue after `last`.
    ///
    /// - Parameter failing: the indices of work that fails.
    func work(_ count: Int, failing: Set<Int> = [], closingAfter last: Int? = nil) async {
      await withCheckedContinuation { continuation in
        for number in 0..<count / 2 {
          add(number, of: count, failing, last) { continuation.resume() }
        }
      }
      if last != nil { queue.add({}, then: { [heard] _ in heard.append(-1) }) }
    }

    private func add(_ number: Int, of count: Int, _ failing: Set<Int>, _ last: Int?, _ done: @escaping () -> Void) {
      queue.add { [journal = self.done] () throws(KacheryError) in
        journal.append(number)
        if failing.contains(number) { throw KacheryError(.diskFull, "\(number)") }
      } then: { outcome in
        self.heard.append(number)
        if case .failure(let error) = outcome { self.failures.append(Int(error.message) ?? -1) }
        if number < count / 2 { self.add(number + count / 2, of: count, failing, last, done) }
        if number == last {
          self.queue.close()
          // The pool's current work ends before this, and is not reported.
          self.loop.work({}, then: done)
        } else if number == count - 1 {
          done()
        }
      }
    }

    /// Passes these numbers of bytes one after another; returns which passed before any time had elapsed.
    func pass(_ counts: [Int], rate: String?) async throws -> [Int] {
      let schedule = try rate.map { try RateSchedule(parsing: $0) }
      let limiter = RateLimiter(RateLimit(schedule), loop: loop)
      return await withCheckedContinuation { continuation in
        var immediately: [Int] = []
        var isOver = false
        for (number, count) in counts.enumerated() {
          limiter.pass(count) { [heard] in
            heard.append(number)
            if !isOver { immediately.append(number) }
            if isOver, number == counts.count - 1 { continuation.resume(returning: immediately) }
          }
        }
        isOver = true
        if immediately.count == counts.count { continuation.resume(returning: immediately) }
      }
    }

    func stop() async { await loop.shutdown() }
  }

  @Test func workIsDoneAndReportedInOrder() async throws {
    let worker = try Worker()
    await worker.work(200)
    #expect(worker.failures.all.isEmpty)
    #expect(worker.done.all == Array(0..<200) && worker.heard.all == Array(0..<200))
    await worker.stop()
  }

  @Test func aFailureStopsNothingElse() async throws {
    let worker = try Worker()
    await worker.work(50, failing: [0, 7, 30])
    #expect(worker.failures.all == [0, 7, 30])
    #expect(worker.heard.all == Array(0..<50))
    await worker.stop()
  }

  @Test func aClosedQueueReportsNothing() async throws {
    let worker = try Worker()
    await worker.work(40, closingAfter: 5)
    #expect(worker.heard.all == Array(0...5))
    await worker.stop()
  }

  // MARK: RateLimiter

  @Test func withoutALimitEverythingPassesImmediately() async throws {
    let worker = try Worker()
    #expect(try await worker.pass([1, 1 << 40, 0], rate: nil) == [0, 1, 2])
    await worker.stop()
  }

  /// A quarter of a second's worth passes immediately; each of the others waits for the preceding ones.
  @Test func aLimitHoldsBackInOrder() async throws {
    let worker = try Worker()
    let immediately = try await worker.pass([9_000_000, 1_000_000, 400_000, 0, 400_000], rate: "40")
    #expect(immediately == [0, 1])
    #expect(worker.heard.all == [0, 1, 2, 3, 4])
    await worker.stop()
  }
}

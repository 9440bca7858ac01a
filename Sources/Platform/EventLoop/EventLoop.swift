internal import CUV
package import Primitives
import Synchronization

/// One libuv loop on one thread, and the executor of the actors that run on it.
///
///     running ──shutdown()──▶ closing (handles close, requests drain) ──▶ stopped
///
/// Code of an actor with this executor may call every loop-bound class directly; each of their methods checks that it
/// runs on the loop's thread.
package final class EventLoop: SerialExecutor {
  /// Bytes read from a socket per call: one buffer serves all connections of the loop.
  package static let readBufferSize = 256 << 10

  let name: String
  let core: LoopCore

  /// Starts a loop on a new thread.
  ///
  /// - Throws: `internalError` if the system has no descriptors or threads left.
  package init(name: String) throws(KacheryError) {
    CUV_survive_failed_writes()
    self.name = name
    core = try LoopCore()
    try core.start(for: self)
  }

  /// The time on the monotonic clock.
  package var now: Instant { Instant(nanoseconds: uv_hrtime()) }

  /// Whether the caller runs on the loop's thread.
  package var isOnLoop: Bool { core.isCurrentThread }

  /// Traps unless the caller runs on the loop's thread.
  package func preconditionOnLoop() { precondition(isOnLoop, "called away from the event loop '\(name)'") }

  /// Open handles, including those that are closing. Does not count the loop's own handle.
  package var openHandles: Int { core.openHandles.load(ordering: .relaxed) }

  /// Runs `body` on the loop, after all work posted earlier. From any thread.
  package func post(_ body: @escaping @Sendable () -> Void) { core.submit(.closure(body), for: self) }

  /// Runs `body` on the loop and returns its result. From any task.
  package func run<T: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> T
  ) async throws(Failure) -> T {
    let result: Result<T, Failure> = await withCheckedContinuation { continuation in
      post { continuation.resume(returning: Result(catching: body)) }
    }
    return try result.get()
  }

  /// A closure that another thread calls with a value; it runs `body` with the value on the loop. Loop only.
  package func receiver<T: Sendable>(_ body: @escaping (T) -> Void) -> @Sendable (T) -> Void {
    preconditionOnLoop()
    // Created and called only on the loop's thread.
    nonisolated(unsafe) let body = body
    return { value in self.post { body(value) } }
  }

  /// Closes every handle, waits for running work, and ends the thread. Idempotent.
  package func shutdown() async {
    await withCheckedContinuation { continuation in
      guard core.waitForEnd({ continuation.resume() }) else { return }
      post { self.core.closeEverything() }
    }
  }

  /// The error of requests to a loop that is stopping.
  static var stopping: KacheryError { KacheryError(.cancelled, "The node is stopping.") }

  /// Runs `body` in the next turn, even while the loop is closing. Loop only.
  package func later(_ body: @escaping () -> Void) {
    preconditionOnLoop()
    // Posted and run only on the loop's thread.
    nonisolated(unsafe) let body = body
    post { body() }
  }

  // MARK: SerialExecutor

  package func enqueue(_ job: consuming ExecutorJob) { core.submit(.job(UnownedJob(job)), for: self) }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  package func checkIsolated() { preconditionOnLoop() }

  package func isIsolatingCurrentContext() -> Bool? { isOnLoop }
}

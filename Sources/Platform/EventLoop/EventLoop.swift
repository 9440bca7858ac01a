internal import CUV
package import Primitives
import Synchronization

/// One libuv loop on one thread, and the executor of whatever actors live on it.
///
///     running ──shutdown()──▶ closing (handles close, requests drain) ──▶ stopped
///
/// Code of an actor whose executor this is may use every loop-bound class directly; each of their methods checks that it
/// is called on the loop's thread.
package final class EventLoop: SerialExecutor {
  /// Bytes read from a socket at once: one buffer serves every connection of the loop.
  package static let readBufferSize = 256 << 10

  let name: String
  let core: LoopCore

  /// Starts a loop on a thread of its own.
  ///
  /// - Throws: `internalError` if the kernel gives no descriptors or no thread.
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

  /// Handles that are open, or closing and not yet closed. The loop's own is not counted.
  package var openHandles: Int { core.openHandles.load(ordering: .relaxed) }

  /// Runs `body` on the loop, after whatever was handed over before. From any thread.
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

  /// A closure that another thread calls with a value: `body` then runs with it on the loop. Loop only.
  package func receiver<T: Sendable>(_ body: @escaping (T) -> Void) -> @Sendable (T) -> Void {
    preconditionOnLoop()
    // It is made on the loop's thread and runs there: it is never in two threads.
    nonisolated(unsafe) let body = body
    return { value in self.post { body(value) } }
  }

  /// Closes every handle, waits for what is under way, and ends the thread. Idempotent.
  package func shutdown() async {
    await withCheckedContinuation { continuation in
      guard core.waitForEnd({ continuation.resume() }) else { return }
      post { self.core.closeEverything() }
    }
  }

  /// What is asked of a loop that is stopping fails with this.
  static var stopping: KacheryError { KacheryError(.cancelled, "The node is stopping.") }

  /// Runs `body` in the next turn, also while the loop closes. Loop only.
  func later(_ body: @escaping () -> Void) {
    preconditionOnLoop()
    // It is handed over on the loop's thread and runs there: it is never in two threads.
    nonisolated(unsafe) let body = body
    post { body() }
  }

  // MARK: SerialExecutor

  package func enqueue(_ job: consuming ExecutorJob) { core.submit(.job(UnownedJob(job)), for: self) }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  package func checkIsolated() { preconditionOnLoop() }

  package func isIsolatingCurrentContext() -> Bool? { isOnLoop }
}

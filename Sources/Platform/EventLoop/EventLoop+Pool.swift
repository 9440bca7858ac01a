internal import CUV
package import Primitives

/// Blocking work on libuv's pool, with a completion on the loop.
private final class WorkRequest {
  let raw = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
  private let body: @Sendable () -> Void
  private let done: () -> Void

  init(body: @escaping @Sendable () -> Void, done: @escaping () -> Void) {
    self.body = body
    self.done = done
  }

  deinit { raw.deallocate() }

  func start(on loop: UnsafeMutablePointer<uv_loop_t>) {
    // Balanced by the callback, which libuv calls exactly once.
    raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
    uv_queue_work(
      loop, raw,
      { request in
        guard let data = request?.pointee.data else { return }
        Unmanaged<WorkRequest>.fromOpaque(data).takeUnretainedValue().body()
      },
      { request, _ in
        guard let data = request?.pointee.data else { return }
        Unmanaged<WorkRequest>.fromOpaque(data).takeRetainedValue().done()
      })
  }
}

/// Passes a result from the pool's thread to the loop.
// The pool's thread writes before libuv completes the request, and the loop reads afterwards; the completion orders
// them.
private final class ResultBox<T>: @unchecked Sendable {
  var value: T?
}

extension EventLoop {
  /// Runs blocking work on the pool, then `then` with its result on the loop, even if the loop is stopping. Loop only.
  package func work<T: Sendable>(_ body: @escaping @Sendable () -> T, then: @escaping (T) -> Void) {
    preconditionOnLoop()
    guard !core.isStopped else {
      // The pool can no longer call back, but the caller must still get its result.
      let value = body()
      return later { then(value) }
    }
    let box = ResultBox<T>()
    WorkRequest(
      body: { box.value = body() },
      done: {
        guard let value = box.value else { preconditionFailure("libuv runs the work before its callback") }
        then(value)
      }
    ).start(on: core.loop)
  }

  /// Runs blocking work on the pool and returns its result. From any task.
  ///
  /// - Throws: errors of `body`; `cancelled` once the loop is stopping.
  package func onPool<T: Sendable>(
    _ body: @escaping @Sendable () throws(KacheryError) -> T
  ) async throws(KacheryError) -> T {
    // Not a throwing continuation: if it throws in an optimized build, the caller resumes off its executor.
    let result: Result<T, KacheryError> = await withCheckedContinuation { continuation in
      post {
        guard !self.core.isClosing else { return continuation.resume(returning: .failure(Self.stopping)) }
        self.work({ Result(catching: body) }, then: { continuation.resume(returning: $0) })
      }
    }
    return try result.get()
  }
}

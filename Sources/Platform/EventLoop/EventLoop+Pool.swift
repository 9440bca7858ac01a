internal import CUV
package import Primitives

/// A piece of blocking work on libuv's pool, and what follows on the loop.
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
    // Balanced by the callback, which libuv makes exactly once.
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

/// Holds a result between the thread that makes it and the loop that takes it.
// One thread writes before libuv hands the request over, one reads after; the hand-over orders them.
private final class ResultBox<T>: @unchecked Sendable {
  var value: T?
}

extension EventLoop {
  /// Runs blocking work on the pool, then `then` with its result on the loop, also where the loop is stopping. Loop only.
  package func work<T: Sendable>(_ body: @escaping @Sendable () -> T, then: @escaping (T) -> Void) {
    preconditionOnLoop()
    guard !core.isStopped else {
      // The pool cannot call back any more. Whoever waits must still be told.
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
  /// - Throws: what `body` throws; `cancelled` once the loop stops.
  package func onPool<T: Sendable>(
    _ body: @escaping @Sendable () throws(KacheryError) -> T
  ) async throws(KacheryError) -> T {
    // Not a throwing continuation: if one throws in an optimized build, the caller goes on off its executor.
    let result: Result<T, KacheryError> = await withCheckedContinuation { continuation in
      post {
        guard !self.core.isClosing else { return continuation.resume(returning: .failure(Self.stopping)) }
        self.work({ Result(catching: body) }, then: { continuation.resume(returning: $0) })
      }
    }
    return try result.get()
  }
}

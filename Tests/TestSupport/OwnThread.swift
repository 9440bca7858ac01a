import Dispatch

/// Runs slow or blocking work on a separate thread: all tests share the few threads of tasks.
///
/// Failures of `#expect` there count, but the runner does not know which test they belong to: name it in the comment.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
  }
}

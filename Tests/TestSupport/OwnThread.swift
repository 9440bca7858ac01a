import Dispatch

/// Does something that takes long or waits on a thread of its own: the few that tasks run on are all tests'.
///
/// What `#expect` finds there counts, though the runner does not know of which test it is: say so in its comment.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
  }
}

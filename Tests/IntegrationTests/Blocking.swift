import Foundation

/// Runs code that waits for other processes on a separate thread: the pool that all tests share has only one thread per
/// core, and tests that wait for the network would starve.
func blocking(_ body: @escaping () throws -> Void) async throws {
  let work = Work(body: body)
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread { continuation.resume(with: Result { try work.body() }) }
  }
}

// The test that waits here is the only one that uses the body's state.
private struct Work: @unchecked Sendable {
  let body: () throws -> Void
}

import Foundation

/// Runs what waits for other processes on a thread of its own: the pool that all tests share has as many threads as the
/// machine has cores, and those who wait for the network elsewhere would starve.
func blocking(_ body: @escaping () throws -> Void) async throws {
  let work = Work(body: body)
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread { continuation.resume(with: Result { try work.body() }) }
  }
}

// The test that waits here is the only one who touches what the body uses.
private struct Work: @unchecked Sendable {
  let body: () throws -> Void
}

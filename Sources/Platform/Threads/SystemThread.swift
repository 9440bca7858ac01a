import Glibc
package import Primitives

/// A thread of the system's that runs one piece of work and ends.
package struct SystemThread: Sendable {
  private let thread: pthread_t

  /// Starts a thread that the caller waits for by `join`.
  ///
  /// - Throws: `internalError` if the system has no thread to give.
  private init(joinable body: @escaping @Sendable () -> Void) throws(KacheryError) {
    let context = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, context.toOpaque())
    guard failure == 0 else {
      context.release()
      throw KacheryError(.internalError, "The system has no thread to work on; end something else that runs.")
    }
    self.thread = thread
  }

  private func join() { pthread_join(thread, nil) }

  /// Runs work on a thread of its own; nothing waits for its end.
  ///
  /// - Throws: `internalError` if the system has no thread to give.
  package static func run(_ body: @escaping @Sendable () -> Void) throws(KacheryError) {
    pthread_detach(try SystemThread(joinable: body).thread)
  }

  /// Runs the same work on this many threads, this one among them, and returns when each has ended. If the system has
  /// fewer threads to give, the others do their part.
  package static func together(_ count: Int, _ body: @escaping @Sendable () -> Void) {
    let others = (1..<max(1, count)).compactMap { _ in try? SystemThread(joinable: body) }
    body()
    for thread in others { thread.join() }
  }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

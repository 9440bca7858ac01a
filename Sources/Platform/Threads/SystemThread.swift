import CPosix
import Glibc
package import Primitives

/// A system thread that runs one piece of work and ends.
package struct SystemThread: Sendable {
  private let thread: pthread_t

  /// Starts a thread that the caller must `join`.
  ///
  /// - Throws: `internalError` if the system has no thread left.
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
      throw KacheryError(.internalError, "The system has no thread left; end other programs or raise its limit.")
    }
    self.thread = thread
  }

  private func join() { pthread_join(thread, nil) }

  /// Runs work on a new thread, without waiting for it.
  ///
  /// - Parameter name: what tools such as `ps -L` show, up to 15 bytes.
  /// - Throws: `internalError` if the system has no thread left.
  package static func run(named name: String, _ body: @escaping @Sendable () -> Void) throws(KacheryError) {
    let thread = try SystemThread(joinable: {
      CPosix_name_thread(name)
      body()
    })
    pthread_detach(thread.thread)
  }

  /// Runs the same work on this many threads, including the current one, and returns when all have ended. Uses fewer
  /// threads if the system has none left.
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

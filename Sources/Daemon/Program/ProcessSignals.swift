import EventLoop
import Primitives
import Process

/// What signals ask of a node: SIGTERM and SIGINT end it in order, SIGHUP has it read its settings again.
enum ProcessSignals {
  /// Watches signals until the process ends. The closures are called on a loop of their own.
  ///
  /// That loop is never shut down: when the last watch of a signal ends, libuv restores the default action, and one more
  /// signal would cut off the end that the first one began.
  static func watch(
    stop: @escaping @Sendable () -> Void, reload: @escaping @Sendable () -> Void
  ) async throws(KacheryError) {
    let loop = try EventLoop(name: "signals")
    try await loop.run { () throws(KacheryError) in
      for signal in [ProcessSignal.terminate, .interrupt] { _ = try loop.onSignal(signal.number, stop) }
      _ = try loop.onSignal(ProcessSignal.hangUp.number, reload)
    }
  }
}

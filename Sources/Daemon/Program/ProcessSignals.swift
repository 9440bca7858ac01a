import EventLoop
import Primitives
import Process

/// Signal handling: SIGTERM and SIGINT stop the node cleanly, SIGHUP reloads its settings.
enum ProcessSignals {
  /// Watches signals until the process ends. The closures run on a separate loop.
  ///
  /// That loop is never shut down: when the last watch of a signal ends, libuv restores the default action, and a
  /// second signal would interrupt the stop that the first one started.
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

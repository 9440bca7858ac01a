import Glibc
package import Primitives

/// Tells the service manager that started this process how it is doing (sd_notify(3)). Does nothing without one.
package struct ServiceNotifier: Sendable {
  /// The address of the manager's socket; nil if there is no manager.
  private let address: String?
  private let watchdog: Duration?

  /// - Parameter environment: `NOTIFY_SOCKET`, a path or `@` and an abstract name; `WATCHDOG_USEC`, and `WATCHDOG_PID` if
  ///   only one process is meant.
  package init(_ environment: [ByteString: String]) {
    let named = environment["NOTIFY_SOCKET"].flatMap { $0.begins(with: "/") || $0.begins(with: "@") ? $0 : nil }
    address = named
    let isMeant = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
    let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
    watchdog = named != nil && isMeant && microseconds > 0 ? .microseconds(microseconds / 2) : nil
  }

  /// How often the manager wants to hear that the process is alive: half the time after which it would be restarted. Nil
  /// if it does not.
  package var watchdogPeriod: Duration? { watchdog }

  /// Whether a manager listens.
  package var isHeard: Bool { address != nil }

  /// The process serves now. Also ends a reload.
  package func ready(status: String) { send("READY=1\nSTATUS=\(status.printable)") }

  /// The process reads its settings again; `ready` follows.
  package func reloading() {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)")
  }

  /// The process is about to end.
  package func stopping() { send("STOPPING=1\nSTATUS=Stopping") }

  /// The process is alive.
  package func alive() { send("WATCHDOG=1") }

  /// Failures are ignored, as sd_notify(3) recommends: the manager has gone away.
  private func send(_ text: String) {
    guard let address else { return }
    _ = LocalDatagram.send(Array(text.utf8), to: address)
  }
}

import Primitives
import Process

/// How a client or a signal stops the node, and what its service manager learns.
extension Node {
  /// A client wants the node to stop.
  func requestStop() { stopRequest.make() }

  /// Waits until a client or a signal asks the node to stop.
  func untilStopRequested() async {
    await withCheckedContinuation { continuation in stopRequest.whenMade { continuation.resume() } }
  }

  /// Stops the node cleanly on SIGTERM and SIGINT; reloads its settings on SIGHUP.
  nonisolated func watchSignals(_ notifier: ServiceNotifier) async throws(KacheryError) {
    try await ProcessSignals.watch(
      stop: { Task { await self.requestStop() } },
      reload: {
        self.log.info("Reloading the channels and kachery.yaml.")
        notifier.reloading()
        Task {
          await self.reload()
          await notifier.ready(status: self.serviceStatus)
        }
      })
  }

  /// Most time between two signs of life, so that a pause is noticed that is shorter than what the manager allows.
  private static let longestStep: Duration = .seconds(5)

  /// Tells the service manager that the node serves now, and then that it is alive, for as long as the loop turns.
  func reportTo(_ notifier: ServiceNotifier) {
    notifier.ready(status: serviceStatus)
    guard let period = notifier.watchdogPeriod else { return }
    // The loop keeps the timer until it ends.
    let step = min(period, Self.longestStep)
    var last = loop.now
    _ = loop.after(.zero, repeating: step) { [loop, log] in
      notifier.alive()
      let pause = loop.now - last
      last = loop.now
      guard pause > step * 2 else { return }
      log.warning(
        "The daemon did nothing for \(pause.components.seconds) s. Either the machine was too busy, or the process was "
          + "stopped for that time.", .stalled)
    }
  }

  /// One line for `systemctl status`.
  private var serviceStatus: String {
    "Node '\(configuration.label)', links on port \(listening.map { "\($0.port)" }.joined(separator: ", "))"
  }
}

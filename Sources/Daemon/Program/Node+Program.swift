import Primitives

/// How a client or a signal stops the node.
extension Node {
  /// A client wants the node to stop.
  func requestStop() { stopRequest.make() }

  /// Waits until a client or a signal asks the node to stop.
  func untilStopRequested() async {
    await withCheckedContinuation { continuation in stopRequest.whenMade { continuation.resume() } }
  }

  /// Stops the node cleanly on SIGTERM and SIGINT; reloads its settings on SIGHUP.
  nonisolated func watchSignals() async throws(KacheryError) {
    try await ProcessSignals.watch(
      stop: { Task { await self.requestStop() } },
      reload: {
        self.log.info("Reloading the channels and kachery.yaml.")
        Task { await self.reload() }
      })
  }
}

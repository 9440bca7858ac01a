import Primitives

/// The node as a program: what ends it.
extension Node {
  /// A client wants the node to stop.
  func requestStop() { stopRequest.make() }

  /// Waits until a client, or a signal, asks for the end.
  func untilStopRequested() async {
    await withCheckedContinuation { continuation in stopRequest.whenMade { continuation.resume() } }
  }

  /// Ends the node in order on SIGTERM and SIGINT; reads what may have changed again on SIGHUP.
  nonisolated func watchSignals() async throws(KacheryError) {
    try await ProcessSignals.watch(
      stop: { Task { await self.requestStop() } },
      reload: {
        self.log.info("Reading the channels and kachery.yaml again.")
        Task { await self.reload() }
      })
  }
}

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
  func watchSignals() throws(KacheryError) {
    signals = try ProcessSignals(
      on: loop, stop: { self.requestStop() },
      reload: {
        self.log.info("Reading the channels and kachery.yaml again.")
        self.reload()
      })
  }

  /// A second signal must not cut off the end that the first one began.
  func ignoreSignals() { signals?.ignore() }
}

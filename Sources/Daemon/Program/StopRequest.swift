import EventLoop

/// A client's or a signal's request that the node stop. Bound to the loop.
final class StopRequest {
  private let loop: EventLoop
  private var isMade = false
  private var waiters: [() -> Void] = []

  init(loop: EventLoop) { self.loop = loop }

  /// Requests the stop. Waiters continue after a short delay, so that the client's answer is sent first.
  func make() {
    isMade = true
    _ = loop.after(.milliseconds(50)) { [weak self] in self?.resumeAll() }
  }

  /// Calls `then` once the stop is requested.
  func whenMade(_ then: @escaping () -> Void) {
    guard !isMade else { return then() }
    waiters.append(then)
  }

  func resumeAll() {
    let waiting = waiters
    waiters = []
    for then in waiting { then() }
  }
}

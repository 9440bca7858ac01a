import EventLoop

/// The wish of a client, or of a signal, that the node ends. Bound to the loop.
final class StopRequest {
  private let loop: EventLoop
  private var isMade = false
  private var waiters: [() -> Void] = []

  init(loop: EventLoop) { self.loop = loop }

  /// Asks for the end. What waits for it continues after a moment: the answer to the client that asked leaves first.
  func make() {
    isMade = true
    _ = loop.after(.milliseconds(50)) { [weak self] in self?.resumeAll() }
  }

  /// Calls `then` once the end is asked for.
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

import Diagnostics
import EventLoop
import Glibc
import Primitives

/// What signals ask of a node: SIGTERM and SIGINT end it in order, SIGHUP has it read its settings again. Bound to the loop.
final class ProcessSignals {
  private var watches: [SignalWatch] = []

  init(on loop: EventLoop, stop: @escaping () -> Void, reload: @escaping () -> Void) throws(KacheryError) {
    for signal in [SIGTERM, SIGINT] { watches.append(try loop.onSignal(signal, stop)) }
    watches.append(try loop.onSignal(SIGHUP, reload))
  }

  /// From now on signals do nothing: a second one must not cut off the end that the first, or a client, began.
  func ignore() {
    for watch in watches { watch.cancel() }
    watches = []
    for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, SIG_IGN) }
  }
}

import Glibc

/// A signal that ends a program unless it does something about it.
package struct ProcessSignal: Hashable, Sendable {
  package static let interrupt = ProcessSignal(number: SIGINT)
  package static let terminate = ProcessSignal(number: SIGTERM)
  package static let hangUp = ProcessSignal(number: SIGHUP)

  package let number: Int32

  /// Ends this process by the signal, which some thread may have blocked.
  package func endProcess() -> Never {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, number)
    kill(getpid(), number)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    // The system may pick another thread, which has no more than a moment.
    while true { pause() }
  }

  /// Whether the process was started with the signal ignored (`nohup`, `&` in a script).
  private var isIgnored: Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    // The constant for 'ignored' is not a function but the number 1, which Swift takes for one: compared, never called.
    return action.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) == 1 } ?? false
  }

  /// Lets a write to a closed pipe end this process quietly, as a shell expects of its commands.
  package static func endOnClosedPipe() { signal(SIGPIPE, SIG_DFL) }

  /// Calls `handle` on a thread of its own when the first of these signals arrives, except for those that the process was
  /// started with ignored. Call it before there are other threads: they inherit what is blocked.
  package static func wait(for signals: [ProcessSignal], _ handle: @escaping @Sendable (ProcessSignal) -> Void) {
    let wait = SignalWait(signals.filter { !$0.isIgnored }, handle)
    pthread_sigmask(SIG_BLOCK, &wait.signals, nil)
    var thread = pthread_t()
    let context = Unmanaged.passRetained(wait)
    let failure = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<SignalWait>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, context.toOpaque())
    guard failure != 0 else { return }
    context.release()
    pthread_sigmask(SIG_UNBLOCK, &wait.signals, nil)
  }
}

/// What the thread that waits for signals needs. A thread that waits may take locks and write messages, which a signal
/// handler must not.
private final class SignalWait {
  var signals = sigset_t()
  private let handle: @Sendable (ProcessSignal) -> Void

  init(_ wanted: [ProcessSignal], _ handle: @escaping @Sendable (ProcessSignal) -> Void) {
    self.handle = handle
    sigemptyset(&signals)
    for signal in wanted { sigaddset(&signals, signal.number) }
  }

  func run() {
    var number: Int32 = 0
    guard sigwait(&signals, &number) == 0 else { return }
    handle(ProcessSignal(number: number))
  }
}

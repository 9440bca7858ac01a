import Glibc

/// A signal that by default ends the process.
package struct ProcessSignal: Hashable, Sendable {
  package static let interrupt = ProcessSignal(number: SIGINT)
  package static let terminate = ProcessSignal(number: SIGTERM)
  package static let hangUp = ProcessSignal(number: SIGHUP)

  package let number: Int32

  /// Ends this process with the signal, even if a thread has blocked it.
  package func endProcess() -> Never {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, number)
    kill(getpid(), number)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    // The system may deliver it to another thread, in a moment.
    while true { pause() }
  }

  /// Whether the process was started with the signal ignored (`nohup`, `&` in a script).
  private var isIgnored: Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    // SIG_IGN is not a function but the number 1, which Swift imports as a function: compared, never called.
    return action.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) == 1 } ?? false
  }

  /// Makes a write to a closed pipe end this process silently, as shells expect of commands.
  package static func endOnClosedPipe() { signal(SIGPIPE, SIG_DFL) }

  /// Calls `handle` on a new thread when the first of these signals arrives, except those that were ignored when the
  /// process started. Call it before starting other threads: they inherit the blocked signals.
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

/// The state of the thread that waits for signals. Unlike a signal handler, that thread may take locks and write
/// messages.
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

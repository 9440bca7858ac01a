import Glibc
import Threads

/// A signal that by default ends the process.
package struct ProcessSignal: Hashable, Sendable {
  package static let interrupt = ProcessSignal(number: SIGINT)
  package static let terminate = ProcessSignal(number: SIGTERM)
  package static let hangUp = ProcessSignal(number: SIGHUP)
  package static let brokenPipe = ProcessSignal(number: SIGPIPE)

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
    var awaited = sigset_t()
    sigemptyset(&awaited)
    for signal in signals where !signal.isIgnored { sigaddset(&awaited, signal.number) }
    pthread_sigmask(SIG_BLOCK, &awaited, nil)
    let set = awaited
    // Unlike a signal handler, a thread may take locks and write messages.
    let isStarted: Void? = try? SystemThread.run(named: "signals") {
      var (set, number) = (set, Int32(0))
      guard sigwait(&set, &number) == 0 else { return }
      handle(ProcessSignal(number: number))
    }
    if isStarted == nil { pthread_sigmask(SIG_UNBLOCK, &awaited, nil) }
  }
}

import Glibc
import Synchronization

/// Ctrl-C, and being asked to end: what is unfinished is removed, and the program ends by the signal, as shells expect.
enum Interruption {
  private struct State {
    var isWatched = false
    /// The file that is being written; whoever finds it later could take it for whole.
    var unfinished: String?
    /// What the person is told; nil where nothing is to be said.
    var advice: String?
  }

  private static let state = Mutex(State())

  /// From now on an interruption prints `advice`. Call it before there are other threads: they inherit what is blocked.
  static func expect(advice: String?) {
    let isFirst = state.withLock { state in
      state.advice = advice
      defer { state.isWatched = true }
      return !state.isWatched
    }
    guard isFirst else { return }
    // A thread that waits may take locks and write messages, which a signal handler must not.
    let signals = UnsafeMutablePointer<sigset_t>.allocate(capacity: 1)
    signals.pointee = wanted
    pthread_sigmask(SIG_BLOCK, signals, nil)
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, nil,
      { context in
        if let signals = context?.assumingMemoryBound(to: sigset_t.self) { Interruption.wait(for: signals) }
        return nil
      }, signals)
    if failure != 0 { pthread_sigmask(SIG_UNBLOCK, signals, nil) }
  }

  /// Does what makes a file that an interruption removes.
  static func guarding<Failure: Error>(_ path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    state.withLock { $0.unfinished = path }
    defer { state.withLock { $0.unfinished = nil } }
    try body()
  }

  /// Gives the file its final name; from then on it is not unfinished. Nothing comes between the two.
  static func rename(_ path: String, to newPath: String) -> Bool {
    state.withLock { state in
      guard Glibc.rename(path, newPath) == 0 else { return false }
      state.unfinished = nil
      return true
    }
  }

  /// The signals that end a program, without those that whoever started it wants ignored (`nohup`, `&` in a script).
  private static var wanted: sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      sigaction(number, nil, &action)
      // The system's constant for 'ignored' is no function but the number 1, which Swift takes for one: compared, never called.
      let isIgnored = action.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) == 1 } ?? false
      if !isIgnored { sigaddset(&signals, number) }
    }
    return signals
  }

  private static func wait(for signals: UnsafePointer<sigset_t>) {
    var number: Int32 = 0
    guard sigwait(signals, &number) == 0 else { return }
    // The lock is kept: nothing is renamed any more.
    state.withLock { state in
      if let path = state.unfinished { unlink(path) }
      if let advice = state.advice { Console.note("\(Console.isInteractive ? "\n" : "")Interrupted. \(advice)") }
      kill(getpid(), number)
      pthread_sigmask(SIG_UNBLOCK, signals, nil)
      // Another thread may be the one that the system picks; it has no more than a moment.
      while true { pause() }
    }
  }
}

import Files
import Primitives
import Process
import Synchronization

/// Handles Ctrl-C and termination: removes the unfinished file, then ends by the signal, as shells expect.
enum Interruption {
  private struct State {
    var isWatched = false
    /// The file being written. Left behind, it could be mistaken for a complete one.
    var unfinished: String?
    /// What to print; nil for nothing.
    var advice: String?
    /// What has to be done first, such as to make the terminal as it was.
    var cleanUp: (@Sendable () -> Void)?
  }

  private static let state = Mutex(State())

  /// Makes an interruption print `advice`. Call it before other threads start: they inherit the blocked signals.
  ///
  /// - Parameter cleanUp: done first.
  static func expect(advice: String?, _ cleanUp: (@Sendable () -> Void)? = nil) {
    let isFirst = state.withLock { state in
      state.advice = advice
      state.cleanUp = cleanUp
      defer { state.isWatched = true }
      return !state.isWatched
    }
    guard isFirst else { return }
    ProcessSignal.wait(for: [.interrupt, .terminate, .hangUp]) { end(by: $0) }
  }

  /// Runs `body`, which makes the file at `path`; an interruption removes the file.
  static func guarding<Failure: Error>(_ path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    state.withLock { $0.unfinished = path }
    defer { state.withLock { $0.unfinished = nil } }
    try body()
  }

  /// Renames the file to its final name and marks it finished. An interruption cannot occur in between.
  static func rename(_ path: String, to newPath: String) throws(KacheryError) {
    let result = state.withLock { state in
      Result { () throws(KacheryError) in
        try FileSystem.rename(path, to: newPath)
        state.unfinished = nil
      }
    }
    try result.get()
  }

  private static func end(by signal: ProcessSignal) -> Never {
    // Keep the lock, so that no file is renamed from now on.
    state.withLock { state in
      state.cleanUp?()
      if let path = state.unfinished { try? FileSystem.remove(path) }
      if let advice = state.advice { Console.note("\(Console.isInteractive ? "\n" : "")Interrupted. \(advice)") }
      signal.endProcess()
    }
  }
}

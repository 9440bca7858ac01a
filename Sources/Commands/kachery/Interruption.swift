import Files
import Primitives
import Process
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
    ProcessSignal.wait(for: [.interrupt, .terminate, .hangUp]) { end(by: $0) }
  }

  /// Does what makes a file that an interruption removes.
  static func guarding<Failure: Error>(_ path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    state.withLock { $0.unfinished = path }
    defer { state.withLock { $0.unfinished = nil } }
    try body()
  }

  /// Gives the file its final name; from then on it is not unfinished. Nothing comes between the two.
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
    // The lock is kept: nothing is renamed any more.
    state.withLock { state in
      if let path = state.unfinished { try? FileSystem.remove(path) }
      if let advice = state.advice { Console.note("\(Console.isInteractive ? "\n" : "")Interrupted. \(advice)") }
      signal.endProcess()
    }
  }
}

import Glibc
package import Primitives
import Synchronization

/// A program that this process has started. Its standard input is a pipe that ends when this process ends, however that
/// happens, so a program that ends with its input ends with its parent.
package final class ChildProcess: Sendable {
  private struct State {
    /// This process's end of the pipe; nil once it is closed.
    var input: Int32?
    var hasEnded = false
  }

  private let number: pid_t
  private let state: Mutex<State>

  /// Starts a program in a process group of its own: what a user types in the terminal reaches only the parent.
  ///
  /// - Parameters:
  ///   - path: the program; if there is none, `name` is searched on the `PATH`.
  ///   - environment: all its variables.
  ///   - log: a file that receives its standard error.
  /// - Throws: `failedToStart` if there is no such program.
  package init(
    _ path: String, orNamed name: String, _ arguments: [String], environment: [ByteString: String], log: String
  ) throws(KacheryError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw KacheryError(
        .failedToStart, "The program \(name) could not be started: \(String(cString: strerror(errno))).")
    }
    // Otherwise the child would keep its own input open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var spawn = Spawn(
      path: path, name: name, arguments: arguments, environment: environment, flags: Spawn.newGroup,
      resetsSignals: true)
    spawn.redirections = [
      (0, .descriptor(ends[0])), (1, .file("/dev/null", flags: O_WRONLY)),
      (2, .file(log, flags: O_WRONLY | O_CREAT | O_APPEND)),
    ]
    defer { close(ends[0]) }
    do throws(KacheryError) {
      number = try spawn.start()
      state = Mutex(State(input: ends[1]))
    } catch {
      close(ends[1])
      throw error
    }
  }

  deinit { closeInput() }

  private func closeInput() {
    let input = state.withLock { state in
      defer { state.input = nil }
      return state.input
    }
    if let input { close(input) }
  }

  /// Whether it has ended.
  package var hasEnded: Bool {
    state.withLock { state in
      if !state.hasEnded { state.hasEnded = waitpid(number, nil, WNOHANG) == number }
      return state.hasEnded
    }
  }

  /// Ends its input, and waits until it has ended; kills it if it has not after `patience`.
  package func end(patience: Duration = .seconds(15)) {
    closeInput()
    let start = SteadyClock.seconds
    let seconds = Double(patience.components.seconds)
    while !hasEnded {
      guard SteadyClock.seconds - start < seconds else {
        kill(number, SIGKILL)
        return state.withLock { $0.hasEnded = waitpid(number, nil, 0) == number }
      }
      SteadyClock.sleep(for: .milliseconds(10))
    }
  }
}

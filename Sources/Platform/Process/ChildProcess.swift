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
    guard pipe(&ends) == 0 else { throw Self.failure(name, errno) }
    // Otherwise the child would keep its own input open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let process = Self.spawn(path, name, arguments, environment, input: ends[0], log: log)
    close(ends[0])
    switch process {
    case .success(let number):
      self.number = number
      state = Mutex(State(input: ends[1]))
    case .failure(let error):
      close(ends[1])
      throw error
    }
  }

  private static func spawn(
    _ path: String, _ name: String, _ arguments: [String], _ environment: [ByteString: String], input: Int32,
    log: String
  ) -> Result<pid_t, KacheryError> {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    // This process may have blocked signals, to wait for them on a thread.
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var words = ([name] + arguments).map { strdup($0) } + [nil]
    var variables = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for case let text? in words + variables { free(text) } }
    var number = pid_t()
    var problem = posix_spawn(&number, path, &actions, &attributes, &words, &variables)
    if problem == ENOENT { problem = posix_spawnp(&number, name, &actions, &attributes, &words, &variables) }
    return problem == 0 ? .success(number) : .failure(failure(name, problem))
  }

  private static func failure(_ name: String, _ number: Int32) -> KacheryError {
    KacheryError(
      .failedToStart, "The program \(name) could not be started: \(String(cString: strerror(number))).")
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

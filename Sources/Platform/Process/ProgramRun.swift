import Glibc
package import Primitives

/// Other programs that this process runs.
package enum ProgramRun {
  /// `POSIX_SPAWN_SETSID` of glibc, which its header hides from Swift.
  private static let newSession: Int16 = 0x80

  /// Runs a program that is searched on the `PATH`, with this process's output, and waits for it.
  ///
  /// - Returns: its exit code; nil if it could not be started or a signal has ended it.
  package static func exitCode(of name: String, _ arguments: [String], isQuiet: Bool = false) -> Int32? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if isQuiet {
      for descriptor in [Int32(1), 2] {
        posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
      }
    }
    var words = ([name] + arguments).map { strdup($0) } + [nil]
    defer { for case let word? in words { free(word) } }
    var number = pid_t()
    guard posix_spawnp(&number, name, &actions, nil, &words, environ) == 0 else { return nil }
    var status: Int32 = 0
    while waitpid(number, &status, 0) < 0 { guard errno == EINTR else { return nil } }
    return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
  }

  /// Starts a program in a session of its own, so that it goes on when this process and its terminal have ended. Its
  /// standard error takes nothing, so that it uses its own log.
  ///
  /// - Parameters:
  ///   - path: the program; if there is none, `name` is searched on the `PATH`.
  /// - Throws: `failedToStart` if there is no such program.
  package static func startDetached(_ path: String, orNamed name: String) throws(KacheryError) {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/full", O_WRONLY, 0)
    posix_spawnattr_setflags(&attributes, newSession)
    var words = [strdup(name), nil]
    defer { for case let word? in words { free(word) } }
    var number = pid_t()
    var problem = posix_spawn(&number, path, &actions, &attributes, &words, environ)
    if problem == ENOENT { problem = posix_spawnp(&number, name, &actions, &attributes, &words, environ) }
    guard problem == 0 else {
      throw KacheryError(
        .failedToStart, "The program \(name) could not be started: \(String(cString: strerror(problem))).")
    }
  }
}

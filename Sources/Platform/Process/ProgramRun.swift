import Glibc
package import Primitives

/// Other programs that this process runs.
package enum ProgramRun {
  /// Runs a program that is searched on the `PATH`, with this process's output, and waits for it.
  ///
  /// - Returns: its exit code; nil if it could not be started or a signal has ended it.
  package static func exitCode(of name: String, _ arguments: [String], isQuiet: Bool = false) -> Int32? {
    var spawn = Spawn(name: name, arguments: arguments)
    if isQuiet { spawn.redirections = [Int32(1), 2].map { ($0, .file("/dev/null", flags: O_WRONLY)) } }
    return (try? spawn.start()).flatMap { code(of: $0) }
  }

  /// Runs a program without input and messages, and waits for it.
  ///
  /// - Parameters:
  ///   - path: the program; if it is nil or there is none, `name` is searched on the `PATH`.
  ///   - limit: most bytes of its output that are kept.
  /// - Returns: its exit code and its output; nil if it could not be started or a signal has ended it.
  package static func output(
    of path: String?, orNamed name: String, _ arguments: [String], limit: Int = 64 << 10
  ) -> (code: Int32, text: String)? {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    defer { close(ends[0]) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var spawn = Spawn(path: path, name: name, arguments: arguments, resetsSignals: true)
    spawn.redirections = [
      (0, .file("/dev/null", flags: O_RDONLY)), (1, .descriptor(ends[1])), (2, .file("/dev/null", flags: O_WRONLY)),
    ]
    let started = try? spawn.start()
    close(ends[1])
    guard let started else { return nil }
    var (text, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 4_096))
    while true {
      let count = read(ends[0], &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      text += buffer.prefix(min(count, limit - text.count))
    }
    return code(of: started).map { ($0, String(decoding: text, as: UTF8.self)) }
  }

  private static func code(of process: pid_t) -> Int32? {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 { guard errno == EINTR else { return nil } }
    return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
  }

  /// Starts a program in a session of its own, so that it goes on when this process and its terminal have ended. Its
  /// standard error takes nothing, so that it uses its own log.
  ///
  /// - Parameters:
  ///   - path: the program; if there is none, `name` is searched on the `PATH`.
  /// - Throws: `failedToStart` if there is no such program.
  package static func startDetached(_ path: String, orNamed name: String) throws(KacheryError) {
    var spawn = Spawn(path: path, name: name, flags: Spawn.newSession)
    spawn.redirections = [
      (0, .file("/dev/null", flags: O_RDONLY)), (1, .file("/dev/null", flags: O_WRONLY)),
      (2, .file("/dev/full", flags: O_WRONLY)),
    ]
    _ = try spawn.start()
  }
}

import Glibc

/// This process and the machine that it runs on.
package enum CurrentProcess {
  /// The name of this machine; `kachery` if it has none.
  package static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "kachery" }
    return text(of: name)
  }

  /// The path of the program that this process runs.
  package static var program: String {
    var path = [CChar](repeating: 0, count: 4_096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    return text(of: Array(path.prefix(max(0, count))))
  }

  /// The first argument that is not UTF-8, with its invalid bytes replaced; nil if all are UTF-8.
  package static var argumentThatIsNotText: String? {
    for case let argument? in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
    where String(validatingCString: argument) == nil {
      return String(cString: argument)
    }
    return nil
  }

  /// Replaces this process with another program. Returns only if neither path leads to a program.
  ///
  /// - Parameter name: searched on the `PATH` if there is no program at `path`.
  package static func become(_ path: String, orNamed name: String, _ arguments: [String]) {
    var pointers = ([name] + arguments).map { strdup($0) } + [nil]
    execv(path, &pointers)
    execvp(name, &pointers)
    for case let pointer? in pointers { free(pointer) }
  }

  /// Ends this process immediately with this exit code.
  ///
  /// Not `exit`: it makes OpenSSL free its per-thread data, and a thread that ends at the same moment frees it a second
  /// time. Under the address sanitizer this crashed one of sixty stops of a daemon.
  package static func end(_ code: Int32) -> Never { _exit(code) }

  /// Leaves this process to its other threads. The calling thread takes the signals, also those that the parent process
  /// had blocked when it started this one: no thread would take them otherwise.
  package static func sleepForever() -> Never {
    var none = sigset_t()
    sigemptyset(&none)
    while true { sigsuspend(&none) }
  }

  private static func text(of characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

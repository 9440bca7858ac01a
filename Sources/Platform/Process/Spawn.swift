import Glibc
import Primitives

/// A program to be started, and what it gets from this process.
struct Spawn {
  /// Where one of its descriptors leads.
  enum Redirection {
    case file(String, flags: Int32)
    case descriptor(Int32)
  }

  /// `POSIX_SPAWN_SETSID` of glibc, which its header hides from Swift.
  static let newSession: Int16 = 0x80
  static let newGroup = Int16(POSIX_SPAWN_SETPGROUP)

  /// Where it is; nil, or if there is none, it is searched on the `PATH`.
  var path: String?
  let name: String
  var arguments: [String] = []
  /// All its variables; nil for those of this process.
  var environment: [ByteString: String]?
  var redirections: [(descriptor: Int32, to: Redirection)] = []
  var flags: Int16 = 0
  /// Whether it handles signals as usual, although this process may have blocked some, to wait for them on a thread.
  var resetsSignals = false

  /// Starts it; returns the number of its process.
  ///
  /// - Throws: `failedToStart` if there is no such program.
  func start() throws(KacheryError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    for (descriptor, target) in redirections {
      switch target {
      case .file(let path, let flags): posix_spawn_file_actions_addopen(&actions, descriptor, path, flags, 0o600)
      case .descriptor(let source): posix_spawn_file_actions_adddup2(&actions, source, descriptor)
      }
    }
    var flags = flags
    if resetsSignals {
      var (none, all) = (sigset_t(), sigset_t())
      sigemptyset(&none)
      sigfillset(&all)
      posix_spawnattr_setsigmask(&attributes, &none)
      posix_spawnattr_setsigdefault(&attributes, &all)
      flags |= Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
    }
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, flags)
    var words = ([name] + arguments).map { strdup($0) } + [nil]
    let variables = (environment ?? [:]).sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for case let text? in words + variables { free(text) } }
    var number = pid_t()
    func spawn(_ start: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Int32) -> Int32 {
      environment == nil ? start(environ) : start(variables)
    }
    var problem = ENOENT
    if let path { problem = spawn { posix_spawn(&number, path, &actions, &attributes, &words, $0) } }
    if problem == ENOENT { problem = spawn { posix_spawnp(&number, name, &actions, &attributes, &words, $0) } }
    guard problem == 0 else {
      throw KacheryError(
        .failedToStart, "The program \(name) could not be started: \(String(cString: strerror(problem))).")
    }
    return number
  }
}

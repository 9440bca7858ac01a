import ContentStore
import Diagnostics
import Primitives

/// Where files come from and go to: a daemon, or a storage directory without one.
enum Storage {
  case online(DaemonClient)
  case offline(ContentStore)

  /// The storage that the environment and the running daemon give.
  ///
  /// - Throws: `noDaemon` where there is neither.
  static func current() throws(KacheryError) -> Storage {
    if let directory = Environment["KACHERY_OFFLINE_STORAGE_DIR"] { return .offline(try open(directory)) }
    if let client = try DaemonClient.connect() { return .online(client) }
    guard let directory = Environment["KACHERY_STORAGE_DIR"] else {
      throw DaemonClient.missing(
        ", or set KACHERY_STORAGE_DIR to a storage directory to work without one")
    }
    return .offline(try open(directory))
  }

  /// The daemon; nil where there is none.
  var client: DaemonClient? { if case .online(let client) = self { client } else { nil } }

  private static func open(_ directory: String) throws(KacheryError) -> ContentStore {
    try ContentStore(directory: directory, log: .disabled)
  }
}

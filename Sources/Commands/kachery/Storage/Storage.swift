import ContentStore
import Diagnostics
import Files
import Primitives
import Process

/// Where files are stored: with a daemon, or in a storage directory without one.
enum Storage: Sendable {
  case online(DaemonClient)
  case offline(ContentStore)

  /// The variable that names a storage directory to work on without a daemon.
  static let offlineVariable = "KACHERY_OFFLINE_STORAGE_DIR"

  /// The storage directory that this variable names; nil if it is not set.
  static func namedOffline() throws(KacheryError) -> ContentStore? {
    guard let directory = Environment[offlineVariable] else { return nil }
    return try open(directory, named: offlineVariable, createIfMissing: false)
  }

  /// The storage that the environment and the running daemon determine.
  ///
  /// - Parameter createIfMissing: whether to create a missing directory. For reading, a missing
  ///   directory is an error.
  /// - Throws: `noDaemon` if there is neither, `notFound` if the directory does not exist.
  static func current(createIfMissing: Bool = false) throws(KacheryError) -> Storage {
    if let directory = Environment[offlineVariable] {
      return .offline(try open(directory, named: offlineVariable, createIfMissing: createIfMissing))
    }
    if let client = try DaemonClient.connect() { return .online(client) }
    guard let directory = Environment["KACHERY_STORAGE_DIR"] else {
      throw DaemonClient.missing(
        ", or set KACHERY_OFFLINE_STORAGE_DIR to a folder to work without one")
    }
    return .offline(try open(directory, named: "KACHERY_STORAGE_DIR", createIfMissing: createIfMissing))
  }

  /// The storage for loading. A user who may not use the daemon may still be allowed to read its directory, where the
  /// published clients look first: then this is that directory, and `refusal` is the error for a file not in it.
  static func forReading() throws(KacheryError) -> (storage: Storage, refusal: KacheryError?) {
    do throws(KacheryError) { return (try current(), nil) } catch {
      guard error.code == .permissionDenied, let probe = try DaemonClient.whoAnswers(),
        let store = try? open(
          Environment["KACHERY_STORAGE_DIR"] ?? probe.storageDirectory, named: "", createIfMissing: false)
      else { throw error }
      return (.offline(store), error)
    }
  }

  /// The daemon; nil if there is none.
  var client: DaemonClient? { if case .online(let client) = self { client } else { nil } }

  private static func open(_ directory: String, named name: String, createIfMissing: Bool) throws(KacheryError)
    -> ContentStore
  {
    guard createIfMissing || FileSystem.exists(directory) else {
      throw KacheryError(
        .notFound,
        "The storage directory \(directory), set in \(name), does not exist. "
          + "Correct \(name), or store a file to create it."
      )
    }
    return try ContentStore(directory: directory, log: .disabled)
  }
}

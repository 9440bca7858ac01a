import Files
import Primitives
import Threads

/// The life of a daemon that a command has started for one transfer.
enum ShortLife {
  /// Calls `then` on another thread when standard input ends, which is when the command that started this daemon does.
  static func whenInputEnds(_ then: @escaping @Sendable () -> Void) throws(KacheryError) {
    try SystemThread.run(named: "input") {
      while let bytes = try? FileStream.standardInput.read(atMost: 4_096), !bytes.isEmpty {}
      then()
    }
  }

  /// Checks that a storage directory which is to be removed at the end holds nothing yet.
  ///
  /// - Throws: `badConfiguration` if a node has used it.
  static func requireUnused(_ directory: String) throws(KacheryError) {
    for name in ["kachery-node", "sha1", "feeds.db", "mutables.db"] where FileSystem.exists("\(directory)/\(name)") {
      throw KacheryError(
        .badConfiguration, "The storage directory \(directory) is in use; --temporary would remove it at the end.")
    }
  }
}

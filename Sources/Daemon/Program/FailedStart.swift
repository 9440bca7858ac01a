import APIModel
import Files
import Primitives

/// Why the last start failed, kept in the storage directory for those who find no daemon.
enum FailedStart {
  /// Keeps the reason. Does nothing if there is no such directory yet, or if another daemon uses it.
  static func note(_ error: KacheryError, in directory: String) {
    let folder = "\(directory)/kachery-node"
    guard FileSystem.exists(folder), !isInUse(directory) else { return }
    try? FileSystem.replace(path(in: directory), with: Array(error.message.utf8), permissions: 0o600)
  }

  /// The daemon has started.
  static func forget(in directory: String) { try? FileSystem.remove(path(in: directory)) }

  private static func path(in directory: String) -> String { "\(directory)/\(APIVersion.failedStartName)" }

  /// Whether another process holds the directory.
  private static func isInUse(_ directory: String) -> Bool {
    do throws(KacheryError) {
      let file = try File("\(directory)/\(APIVersion.lockName)", .update)
      defer { file.close() }
      guard try !file.tryLock() else { return false }
      return try file.bytes(at: 0, count: 32) != Array("\(FileSystem.processID)\n".utf8)
    } catch {
      return error.code != .notFound
    }
  }
}

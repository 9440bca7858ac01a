import Files
import Primitives
import Synchronization

/// Distinguishes the names of this process's temporary files.
private let sequence = Atomic<UInt64>(0)

/// A new file that other processes leave alone while this one is running, because its lock is held.
enum TemporaryFile {
  private static let maximumAttempts = 100

  /// Creates a locked file in `folder`.
  static func create(in folder: String) throws(KacheryError) -> File {
    for _ in 0..<maximumAttempts {
      let number = sequence.wrappingAdd(1, ordering: .relaxed).newValue
      // A process in another container may have the same process ID.
      let name = "\(FileSystem.processID)-\(number)-\(UInt32.random(in: 0...UInt32.max))"
      let file = try File("\(folder)/\(name)", .createNew(permissions: 0o600))
      if try claim(file) { return file }
    }
    throw KacheryError(.storageFailed, "Could not make a temporary file in \(folder): something keeps removing it.")
  }

  /// Locks an open file.
  ///
  /// - Returns: false if another process holds the lock, or removed the file after it was opened and before it was
  ///   locked.
  static func claim(_ file: File) throws(KacheryError) -> Bool {
    guard try file.tryLock() else { return false }
    return try file.isStillAtItsPath()
  }

  /// Some network file systems lock only files that are open for writing. A process that ended just before it gave its
  /// file the final name may have left it read-only, so that only root could open it for writing.
  private static func openToLock(_ path: String) throws(KacheryError) -> File {
    do throws(KacheryError) { return try File(path, .update) } catch  where error.code == .permissionDenied {
      return try File(path, .read)
    }
  }

  /// Removes the file at `path` unless a process holds its lock.
  ///
  /// - Returns: whether it was removed.
  static func removeIfAbandoned(_ path: String) throws(KacheryError) -> Bool {
    let file = try openToLock(path)
    defer { file.close() }
    guard try claim(file) else { return false }
    try FileSystem.remove(path)
    return true
  }
}

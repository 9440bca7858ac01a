import Files
import Primitives
import Synchronization

/// Makes the names of this process's temporary files differ from one another.
private let sequence = Atomic<UInt64>(0)

/// A new file that other processes leave alone as long as this one lives, because its lock is held.
enum TemporaryFile {
  private static let maximumAttempts = 100

  /// A new locked file in `folder`.
  static func create(in folder: String) throws(KacheryError) -> File {
    for _ in 0..<maximumAttempts {
      let number = sequence.wrappingAdd(1, ordering: .relaxed).newValue
      // A process of the same number in another container may use the same names.
      let name = "\(FileSystem.processID)-\(number)-\(UInt32.random(in: 0...UInt32.max))"
      let file = try File("\(folder)/\(name)", .createNew(permissions: 0o600))
      if try claim(file) { return file }
    }
    throw KacheryError(.storageFailed, "Could not make a temporary file in \(folder): something keeps removing it.")
  }

  /// Takes the lock of an opened file.
  ///
  /// - Returns: false if another one holds it, or removed the file between its being opened and locked.
  static func claim(_ file: File) throws(KacheryError) -> Bool {
    guard try file.tryLock() else { return false }
    return try file.isStillAtItsPath()
  }

  /// Some network file systems lock only what is open for writing. A process that ended just before it gave its file a final
  /// name may have left one that only root could open so.
  private static func openToLock(_ path: String) throws(KacheryError) -> File {
    do throws(KacheryError) { return try File(path, .update) } catch  where error.code == .permissionDenied {
      return try File(path, .read)
    }
  }

  /// Removes the file at `path` unless somebody holds its lock.
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

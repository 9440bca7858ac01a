package import Primitives

/// An exclusive lock on a resource, held while this object exists and the process is running.
///
/// It is a kernel lock, so it ends with the process in any case; the file's content only names the holder. The file is
/// never removed: otherwise two processes could lock two different files of the same name.
package final class LockFile: Sendable {
  private static let maximumContent = 4096
  private static let permissions: UInt32 = 0o600
  private let file: File

  /// Takes the lock.
  ///
  /// - Parameters:
  ///   - path: the lock file, created if it does not exist.
  ///   - subject: what the lock protects, as the beginning of a sentence: "The storage directory /data".
  /// - Throws: `alreadyRunning` with a message that names the holder's process.
  package init(_ path: String, protecting subject: String) throws(KacheryError) {
    file = try File(path, .create(permissions: Self.permissions))
    guard try file.tryLock() else { throw Self.refusal(subject, file) }
    try file.truncate(to: 0)
    try file.write(at: 0, Array("\(FileSystem.processID)\n".utf8))
  }

  /// Releases the lock. Idempotent.
  package func release() { file.close() }

  private static func refusal(_ subject: String, _ file: File) -> KacheryError {
    let content = (try? file.bytes(at: 0, count: maximumContent)) ?? []
    let holder = Int32(String(decoding: content.prefix { $0 != 0x0a }, as: UTF8.self))
    let name = holder.map { $0 == FileSystem.processID ? "this process" : "process \($0)" } ?? "another process"
    return KacheryError(.alreadyRunning, "\(subject) is in use by \(name); stop that one first.")
  }
}

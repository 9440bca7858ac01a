import APIModel
import Files
import Primitives

/// The file to which the log goes once standard error is closed, as after the terminal was.
struct LogFile: Sendable {
  /// A larger file is put aside, and replaces the one that was put aside before.
  private static let maximumSize: UInt64 = 4 << 20

  let path: String
  private var isInUse = false

  /// - Parameter directory: the storage directory.
  init(in directory: String) { path = "\(directory)/\(APIVersion.logName)" }

  /// What an earlier run has left is put aside, so that the file shows whether this run uses it.
  func setAside() { _ = try? FileSystem.rename(path, to: "\(path).old") }

  /// Appends lines, ignoring failures: a broken log must not stop the daemon.
  ///
  /// - Parameter heading: a line that comes first.
  mutating func append(_ line: String, heading: String) {
    do throws(KacheryError) {
      if let there = try FileSystem.statusIfPresent(path), there.size > Self.maximumSize { setAside() }
      let file = try File(path, .create(permissions: 0o600))
      defer { file.close() }
      try file.write(at: try file.status().size, Array((isInUse ? line : heading + line).utf8))
      isInUse = true
    } catch { return }
  }
}

package import Primitives
import Synchronization

/// Distinguishes the names of this process's temporary files.
private let sequence = Atomic<UInt64>(0)

extension FileSystem {
  /// Reads a whole small file.
  ///
  /// - Throws: `tooLarge` if it has more than `limit` bytes, `storageFailed` if it is not a regular file.
  package static func read(_ path: String, limit: Int) throws(KacheryError) -> [UInt8] {
    let file = try File(path, .read)
    defer { file.close() }
    guard try file.status().kind == .regular else {
      throw KacheryError(.storageFailed, "Could not read \(path): it is not a regular file; name one.")
    }
    let bytes = try file.bytes(at: 0, count: limit + 1)
    guard bytes.count <= limit else {
      throw KacheryError(.tooLarge, "Could not read \(path): it has more than the \(limit) bytes expected; check it.")
    }
    return bytes
  }

  /// Replaces a file's content atomically and durably: readers, and the disk after a power failure, see the old content
  /// or the new, never a mixture. If `group` is given, the file gets that group.
  package static func replace(
    _ path: String, with bytes: [UInt8], permissions: UInt32, group: UInt32? = nil
  ) throws(KacheryError) {
    let number = sequence.wrappingAdd(1, ordering: .relaxed).newValue
    let temporary = "\(path).\(processID).\(number).new"
    try remove(temporary)
    let file = try File(temporary, .createNew(permissions: 0o600))
    defer { file.close() }
    do throws(KacheryError) {
      try file.write(at: 0, bytes)
      if let group { try file.setGroup(group) }
      try file.setPermissions(permissions)
      try file.sync()
      try rename(temporary, to: path)
    } catch {
      try? remove(temporary)
      throw error
    }
    try syncFolder(parent(of: path))
  }

  /// Writes a small file in a folder, to disk, and removes it.
  ///
  /// - Throws: the error that prevents it, such as a full disk or one that is read-only.
  package static func tryWriting(in folder: String) throws(KacheryError) {
    let path = "\(folder)/.doctor.\(processID)"
    try replace(path, with: Array("written to see whether this folder takes files".utf8), permissions: 0o600)
    try remove(path)
  }
}

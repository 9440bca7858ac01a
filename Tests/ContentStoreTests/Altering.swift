import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// Changes to a file behind the store's back.
enum Alteration: CaseIterable {
  /// One byte is changed.
  case written
  /// As `written`, but the modification time is set back.
  case writtenWithOldTimes
  /// Replaced by another file of the same size and modification time.
  case replacedWithOldTimes
  /// Bytes are appended.
  case extended

  /// Alters the file; its change time always changes.
  func apply(to path: String) throws {
    var bytes = try FileSystem.read(path, limit: 64 << 20)
    bytes[bytes.count / 2] ^= 1
    if self == .extended { bytes.append(0) }
    try Self.changing(path) { before in
      #expect(chmod(path, 0o644) == 0)
      switch self {
      case .written, .writtenWithOldTimes, .extended: try File(path, .update).write(at: 0, bytes)
      case .replacedWithOldTimes: try FileSystem.replace(path, with: bytes, permissions: 0o644)
      }
      guard self == .writtenWithOldTimes || self == .replacedWithOldTimes else { return }
      Self.setTimes(of: path, to: before)
      #expect(try FileSystem.status(path).modifiedNanoseconds == before.modifiedNanoseconds)
    }
  }

  /// Changes only the file's metadata, not its bytes.
  static func touch(_ path: String) throws {
    try changing(path) { _ in #expect(chmod(path, 0o640) == 0 && chmod(path, 0o444) == 0) }
  }

  private static func setTimes(of path: String, to status: FileStatus) {
    let (seconds, nanoseconds) = status.modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    var times = [timespec](repeating: timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)), count: 2)
    #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
  }

  /// The system's clock for files advances in steps of some milliseconds.
  private static func changing(_ path: String, _ body: (FileStatus) throws -> Void) throws {
    let before = try FileSystem.status(path)
    for _ in 0..<1_000 {
      try body(before)
      if try FileSystem.status(path).changedNanoseconds != before.changedNanoseconds { return }
      usleep(1_000)
    }
    Issue.record("The change time of \(path) stays the same.")
  }
}

/// The ways in which a client or peer gets a file.
enum GivenBy: CaseIterable {
  case path, reader, batch

  /// The returned bytes; nil if the file is not stored.
  func bytes(_ hash: ContentHash, from store: ContentStore) throws -> [UInt8]? {
    switch self {
    case .path: return try store.find(hash).map { try FileSystem.read($0.path, limit: 64 << 20) }
    case .reader:
      guard let reader = try store.open(hash) else { return nil }
      defer { reader.close() }
      return try reader.bytes(ByteRange(whole: reader.size))
    case .batch:
      switch store.readSmall(hash, limit: 64 << 20) {
      case .bytes(let bytes): return bytes
      case .absent: return nil
      case .tooLarge, .unreadable: throw KacheryError(.storageFailed, "The file is available but is not returned.")
      }
    }
  }
}

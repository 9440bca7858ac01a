import ContentStore
import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing

/// What somebody does to a file behind the store's back.
enum Alteration: CaseIterable {
  /// One byte is another one.
  case written
  /// As `written`, and then the time of the last change is set to what it was.
  case writtenWithOldTimes
  /// Another file has taken its place, of the same size and with the same time.
  case replacedWithOldTimes
  /// It is longer.
  case extended

  /// Alters the file, which is another one afterwards by its time of change.
  func apply(to path: String) throws {
    var bytes = try FileSystem.read(path, limit: 64 << 20)
    bytes[bytes.count / 2] ^= 1
    if self == .extended { bytes.append(0) }
    try Self.changing(path) { before in
      #expect(chmod(path, 0o644) == 0)
      switch self {
      case .written, .writtenWithOldTimes, .extended: try File(path, .update).write(at: 0, bytes)
      case .replacedWithOldTimes: try FileSystem.replace(path, with: bytes, permissions: 0o444)
      }
      guard self == .writtenWithOldTimes || self == .replacedWithOldTimes else { return }
      Self.setTimes(of: path, to: before)
      #expect(try FileSystem.status(path).modifiedNanoseconds == before.modifiedNanoseconds)
    }
  }

  /// Changes only what is known about the file, not its bytes.
  static func touch(_ path: String) throws {
    try changing(path) { _ in #expect(chmod(path, 0o640) == 0 && chmod(path, 0o444) == 0) }
  }

  private static func setTimes(of path: String, to status: FileStatus) {
    let (seconds, nanoseconds) = status.modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    var times = [timespec](repeating: timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)), count: 2)
    #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
  }

  /// The system's clock for files takes steps of some milliseconds.
  private static func changing(_ path: String, _ body: (FileStatus) throws -> Void) throws {
    let before = try FileSystem.status(path)
    for _ in 0..<1_000 {
      try body(before)
      if try FileSystem.status(path).changedNanoseconds != before.changedNanoseconds { return }
      usleep(1_000)
    }
    Issue.record("The time of change of \(path) stays the same.")
  }
}

/// How a client or a peer is given a file.
enum GivenBy: CaseIterable {
  case path, reader, batch

  /// The bytes that are given; nil if the file is not here.
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
      case .tooLarge, .unreadable: throw KacheryError(.storageFailed, "It can be had and is not given.")
      }
    }
  }
}

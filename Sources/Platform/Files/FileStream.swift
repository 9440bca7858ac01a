import CPosix
import Glibc
package import Primitives

/// A file, pipe or terminal that is read or written sequentially.
package final class FileStream: Sendable {
  package static let standardInput = FileStream(0, "standard input")
  package static let standardOutput = FileStream(1, "standard output")
  package static let standardError = FileStream(2, "standard error")

  /// How to open a stream.
  package enum Access: Hashable, Sendable {
    case read
    /// An existing file, such as a device or a pipe. Waits for the other end of a pipe.
    case write
    /// A file that must not exist yet.
    case create
  }

  /// The descriptor, for library calls that take one.
  package let descriptor: Int32
  private let path: String

  private init(_ descriptor: Int32, _ path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  /// Opens a file.
  package init(_ path: String, _ access: Access) throws(KacheryError) {
    let flags =
      switch access {
      case .read: O_RDONLY
      case .write: O_WRONLY
      case .create: O_WRONLY | O_CREAT | O_EXCL
      }
    let opened = CPosix_open(path, flags, 0o666)
    guard opened >= 0 else { throw .file("open", path, errno: -opened) }
    descriptor = opened
    self.path = path
  }

  deinit { if descriptor > 2 { close(descriptor) } }

  /// Reads available bytes, waiting for the first one.
  ///
  /// - Returns: the number of bytes; 0 at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(KacheryError) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw .file("read", path, errno: errno) }
    }
  }

  /// Reads available bytes, waiting for the first one; empty at the end.
  package func read(atMost count: Int) throws(KacheryError) -> [UInt8] {
    var failure: KacheryError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(KacheryError) { filled = try read(into: UnsafeMutableRawBufferPointer(buffer)) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Writes all bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(KacheryError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .file("write", path, errno: errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// Whether a read would not block, because there are bytes or the stream has ended.
  package var isReady: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) != 0
  }

  /// Returns when what is written to this pipe, socket or terminal has no reader any more; for a file, never.
  package func waitUntilUnread() {
    var entry = pollfd(fd: descriptor, events: 0, revents: 0)
    while poll(&entry, 1, -1) < 1 {}
  }

  /// The status of the open file.
  package func status() throws(KacheryError) -> FileStatus {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .file("inspect", path, errno: errno) }
    return FileStatus(status)
  }

  /// Sets the permission bits of the file, if this user is allowed to.
  package func setPermissions(_ permissions: UInt32) { fchmod(descriptor, permissions) }

  /// Returns once everything written is on the disk.
  package func sync() throws(KacheryError) {
    guard fsync(descriptor) == 0 else { throw .file("save to disk", path, errno: errno) }
  }

  /// Makes this file share another file's blocks on the disk; a block is copied when either file changes it. Immediate,
  /// and needs no space for a second copy.
  ///
  /// - Returns: false if the file system cannot (it is not btrfs or XFS, or the files are on two).
  package func share(blocksOf source: FileStream) -> Bool {
    let cloneRequest: UInt = 0x4004_9409  // FICLONE, linux/fs.h
    return ioctl(descriptor, cloneRequest, source.descriptor) == 0
  }
}

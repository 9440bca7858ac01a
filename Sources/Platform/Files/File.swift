import CPosix
package import Primitives
import Synchronization

/// An open regular file or folder, read and written at explicit offsets.
///
/// Thread-safe. The descriptor is closed once, by `close()` or when the object is released, and never while another
/// thread's call still uses it.
package final class File: Sendable {
  /// How to open a file.
  package enum Access: Hashable, Sendable {
    /// An existing file, for reading. Follows a symbolic link.
    case read
    /// As `read`, but does not follow a symbolic link: `systemNumber` is ELOOP.
    case readHere
    /// An existing file, for reading without updating its access time, if the system permits that.
    case readUnnoticed
    /// An existing file, for reading and writing.
    case update
    /// A file for reading and writing, created with these permissions if it does not exist.
    case create(permissions: UInt32)
    /// A file that must not exist yet, for reading and writing.
    case createNew(permissions: UInt32)
    /// A new unnamed file on the file system of the folder at the path, for reading and writing. It disappears when it
    /// is closed, unless `link` names it. Some file systems do not support it: `systemNumber` is EOPNOTSUPP or EISDIR.
    case createUnnamed(permissions: UInt32)
    /// A folder, for locking or syncing.
    case folder
  }

  private struct State {
    var descriptor: Int32?
    var callsInside = 0
    var isClosing = false
    var isLocked = false

    /// Hands over the descriptor to close once the file is closed and no call uses it.
    mutating func takeToClose() -> (descriptor: Int32, isLocked: Bool)? {
      guard isClosing, callsInside == 0, let descriptor = descriptor.take() else { return nil }
      return (descriptor, isLocked)
    }
  }

  /// The path under which the file was opened; for an unnamed file, its folder's path.
  package let path: String
  private let state: Mutex<State>

  /// Opens `path`.
  ///
  /// Opens a device or pipe without waiting for its other end, so that the caller can check its kind and reject it.
  /// - Throws: `notFound`, `permissionDenied`, `diskFull`, `badRequest` for an invalid path, otherwise `storageFailed`.
  package init(_ path: String, _ access: Access) throws(KacheryError) {
    let descriptor = try FileSystem.check("open", path, access.open)
    self.path = path
    state = Mutex(State(descriptor: descriptor))
  }

  deinit { close() }

  /// Closes the file after calls on other threads have finished. Idempotent.
  package func close() {
    release(
      state.withLock { state in
        state.isClosing = true
        return state.takeToClose()
      })
  }

  /// Remembers that this file holds its lock.
  func noteLocked() { state.withLock { $0.isLocked = true } }

  /// Closes a descriptor. A child process that has not started its program yet holds a copy, which would keep the lock:
  /// the lock is released explicitly.
  private func release(_ last: (descriptor: Int32, isLocked: Bool)?) {
    guard let last else { return }
    if last.isLocked { _ = CPosix_flock(last.descriptor, LOCK_UN) }
    _ = CPosix_close(last.descriptor)
  }

  /// Makes a system call on the descriptor, which stays open until the call returns.
  ///
  /// - Throws: the error of `errno`; `storageFailed` if the file is closed.
  @discardableResult
  func call<Result: FixedWidthInteger & SignedInteger>(_ attempt: String, _ body: (Int32) -> Result)
    throws(KacheryError) -> Result
  {
    let descriptor = try enter(attempt)
    defer { leave() }
    return try answer(FileFault.current?.strike().map { Result(0 - $0) } ?? body(descriptor), attempt)
  }

  /// Makes a system call on the descriptors of this file and another one; both stay open until the call returns.
  @discardableResult
  func call<Result: FixedWidthInteger & SignedInteger>(
    _ attempt: String, with other: File, _ body: (Int32, Int32) -> Result
  ) throws(KacheryError) -> Result {
    let descriptor = try enter(attempt)
    defer { leave() }
    let otherDescriptor = try other.enter(attempt)
    defer { other.leave() }
    return try answer(
      FileFault.current?.strike().map { Result(0 - $0) } ?? body(descriptor, otherDescriptor), attempt)
  }

  private func answer<Result: FixedWidthInteger & SignedInteger>(
    _ result: Result, _ attempt: String
  ) throws(KacheryError) -> Result {
    guard result >= 0 else { throw KacheryError.file(attempt, path, errno: Int32(truncatingIfNeeded: 0 - result)) }
    return result
  }

  private func enter(_ attempt: String) throws(KacheryError) -> Int32 {
    let descriptor = state.withLock { state -> Int32? in
      guard !state.isClosing else { return nil }
      state.callsInside += 1
      return state.descriptor
    }
    guard let descriptor else { throw KacheryError(.storageFailed, "Could not \(attempt) \(path): it is closed.") }
    return descriptor
  }

  private func leave() {
    release(
      state.withLock { state in
        state.callsInside -= 1
        return state.takeToClose()
      })
  }
}

extension File.Access {
  private static let toRead = O_RDONLY | O_NONBLOCK | O_NOCTTY

  fileprivate func open(_ path: UnsafePointer<CChar>) -> Int32 {
    switch self {
    case .read: return CPosix_open(path, Self.toRead, 0)
    case .readHere: return CPosix_open(path, Self.toRead | O_NOFOLLOW, 0)
    case .readUnnoticed:
      let unnoticed = CPosix_open_unnoticed(path, Self.toRead)
      return unnoticed == -EPERM ? CPosix_open(path, Self.toRead, 0) : unnoticed
    case .update: return CPosix_open(path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0)
    case .create(let permissions): return CPosix_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, permissions)
    case .createNew(let permissions): return CPosix_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, permissions)
    case .createUnnamed(let permissions): return CPosix_open_unnamed(path, permissions)
    case .folder: return CPosix_open(path, O_RDONLY | O_DIRECTORY, 0)
    }
  }
}

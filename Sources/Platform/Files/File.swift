import CPosix
package import Primitives
import Synchronization

/// An open regular file or folder: reads and writes at given places, never a position of its own.
///
/// Any thread may call any method. The descriptor is closed once, by `close()` or with the object, and never while a call
/// on another thread still uses it.
package final class File: Sendable {
  /// What a file is opened for.
  package enum Access: Hashable, Sendable {
    /// An existing file, to be read. A symbolic link is followed.
    case read
    /// As `read`, but not a symbolic link: `systemNumber` is ELOOP.
    case readHere
    /// An existing file, to be read without that counting as a use of it, where the system grants that.
    case readUnnoticed
    /// An existing file, to be read and written.
    case update
    /// A file to be read and written, created with these permissions where there is none.
    case create(permissions: UInt32)
    /// A file that must not exist yet, to be read and written.
    case createNew(permissions: UInt32)
    /// A new file on the file system of the folder that is opened, to be read and written. It has no name and ends with
    /// its last use, unless `link` names it. Not every file system has those: `systemNumber` is EOPNOTSUPP or EISDIR.
    case createUnnamed(permissions: UInt32)
    /// A folder, to be locked or made durable.
    case folder
  }

  private struct State {
    var descriptor: Int32?
    var callsInside = 0
    var isClosing = false
  }

  /// The path under which the file was opened; the folder's of one without a name.
  package let path: String
  private let state: Mutex<State>

  /// Opens `path`.
  ///
  /// A device or pipe opens without waiting for its other end, so that the caller can look at its kind and refuse it.
  /// - Throws: `notFound`, `permissionDenied`, `diskFull`, `badRequest` for an impossible path, else `storageFailed`.
  package init(_ path: String, _ access: Access) throws(KacheryError) {
    let descriptor = try FileSystem.check("open", path, access.open)
    self.path = path
    state = Mutex(State(descriptor: descriptor))
  }

  deinit { close() }

  /// Closes the file; calls that run on other threads finish first. Does nothing the second time.
  package func close() {
    let descriptor = state.withLock { state -> Int32? in
      state.isClosing = true
      return state.callsInside == 0 ? state.descriptor.take() : nil
    }
    if let descriptor { _ = CPosix_close(descriptor) }
  }

  /// Makes one call on the descriptor, which stays open until it returns.
  ///
  /// - Throws: what `errno` says; `storageFailed` if the file is closed.
  @discardableResult
  func call<Result: FixedWidthInteger & SignedInteger>(_ attempt: String, _ body: (Int32) -> Result)
    throws(KacheryError) -> Result
  {
    let descriptor = try enter(attempt)
    defer { leave() }
    return try answer(FileFault.current?.strike().map { Result(0 - $0) } ?? body(descriptor), attempt)
  }

  /// Makes one call on the descriptors of this file and another one, both of which stay open until it returns.
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
    let descriptor = state.withLock { state -> Int32? in
      state.callsInside -= 1
      return state.isClosing && state.callsInside == 0 ? state.descriptor.take() : nil
    }
    if let descriptor { _ = CPosix_close(descriptor) }
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

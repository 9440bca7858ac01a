import Glibc
import Primitives

/// Where a copy of a loaded file goes: written beside its place and renamed when it is whole, so that nobody ever sees half
/// of it.
struct Destination {
  private let path: String
  /// Where the file itself lies: what a symbolic link at `path` leads to.
  private let place: String
  private let permissions: mode_t?
  /// A device, a pipe or a socket: it takes the bytes as they come, and stays what it is.
  private let isSpecial: Bool

  /// - Throws: where no file can be written there, so that nothing is loaded in vain.
  init(_ path: String) throws(KacheryError) {
    self.path = path
    guard !path.isEmpty else { throw KacheryError(.badRequest, "The destination is empty; name the file to write.") }
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard errno == ENOENT else { throw Self.problem("write", path) }
      (place, permissions, isSpecial) = (path, nil, false)
      guard !path.ends(with: "/") else { throw Self.folder(path) }
      guard access(Self.parent(of: path), W_OK | X_OK) == 0 else { throw Self.problem("write", path) }
      return
    }
    let kind = status.st_mode & S_IFMT
    guard kind != S_IFDIR else { throw Self.folder(path) }
    isSpecial = kind != S_IFREG
    permissions = status.st_mode & 0o7777
    place = Self.resolved(path)
    if isSpecial { return }
    guard access(Self.parent(of: place), W_OK | X_OK) == 0 else { throw Self.problem("write", path) }
  }

  /// Whether the file at `path` is the one that is here already.
  ///
  /// - Parameter isStored: whether it is in a storage directory. Another name of such a file is replaced by a copy, so that
  ///   writing to it writes to nothing that is stored.
  func holds(_ path: String, isStored: Bool) -> Bool {
    var (here, other) = (stat(), stat())
    guard !isSpecial, stat(place, &here) == 0, stat(path, &other) == 0, here.st_dev == other.st_dev,
      here.st_ino == other.st_ino
    else { return false }
    return !isStored || ByteString(Self.resolved(path)) == ByteString(Self.resolved(place))
  }

  /// Makes the file from what `body` writes to the descriptor.
  func write(_ body: (Int32) throws(KacheryError) -> Void) throws(KacheryError) {
    guard !isSpecial else {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw Self.problem("write", path) }
      defer { close(descriptor) }
      return try body(descriptor)
    }
    let temporary = "\(Self.parent(of: place))/.kachery-\(getpid())-\(UInt32.random(in: 0 ... .max)).part"
    try Interruption.guarding(temporary) { () throws(KacheryError) in
      do throws(KacheryError) { try fill(temporary, body) } catch {
        unlink(temporary)
        throw error
      }
    }
  }

  private func fill(_ temporary: String, _ body: (Int32) throws(KacheryError) -> Void) throws(KacheryError) {
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.problem("write", path) }
    defer { close(descriptor) }
    try body(descriptor)
    if let permissions { fchmod(descriptor, permissions) }
    guard fsync(descriptor) == 0, Interruption.rename(temporary, to: place) else { throw Self.problem("write", path) }
  }

  private static func folder(_ path: String) -> KacheryError {
    KacheryError(.badRequest, "'\(path)' is a folder; name the file to write.")
  }

  private static func parent(of path: String) -> String {
    let (folder, name) = path.cut(atLast: "/")
    guard name != nil else { return "." }
    return folder.isEmpty ? "/" : String(folder)
  }

  private static func resolved(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The error that an errno tells.
  static func problem(_ action: String, _ path: String, _ number: Int32 = errno) -> KacheryError {
    let code: KacheryError.Code =
      switch number {
      case ENOSPC, EDQUOT: .diskFull
      case EACCES, EPERM, EROFS: .permissionDenied
      default: .storageFailed
      }
    return KacheryError(code, "Cannot \(action) '\(path)': \(String(cString: strerror(number))).")
  }
}

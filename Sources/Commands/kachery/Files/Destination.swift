import Files
import Primitives

/// The destination of a copy. The copy is written to a temporary file beside it and renamed when complete, so that no
/// reader sees a partial file.
struct Destination {
  private let path: String
  /// The path of the file itself: the target, if `path` is a symbolic link.
  private let place: String
  private let permissions: UInt32?
  /// Whether it is a device, pipe or socket, which is written to directly and not replaced.
  private let isSpecial: Bool

  /// - Throws: if no file can be written there, so that a load fails before it starts.
  init(_ path: String) throws(KacheryError) {
    self.path = path
    guard !path.isEmpty else { throw KacheryError(.badRequest, "The destination is empty; name the file to write.") }
    do throws(KacheryError) {
      guard let status = try FileSystem.statusIfPresent(path) else {
        (place, permissions, isSpecial) = (path, nil, false)
        guard !path.ends(with: "/") else { throw Self.folder(path) }
        try FileSystem.requireWritable(folder: Self.parent(of: path))
        return
      }
      guard status.kind != .folder else { throw Self.folder(path) }
      isSpecial = status.kind != .regular
      permissions = status.permissions
      place = Self.resolved(path)
      if !isSpecial { try FileSystem.requireWritable(folder: Self.parent(of: place)) }
    } catch {
      throw error.systemReason == nil ? error : Self.problem("write", path, error)
    }
  }

  /// Whether the file at `path` already is the destination.
  ///
  /// - Parameter isStored: whether it is in a storage directory. Another hard link to such a file is replaced by a
  ///   copy, so that writing to it does not change stored bytes.
  func holds(_ path: String, isStored: Bool) -> Bool {
    guard !isSpecial, let here = try? FileSystem.statusIfPresent(place),
      let other = try? FileSystem.statusIfPresent(path), here.isSameFile(as: other)
    else { return false }
    return !isStored || ByteString(Self.resolved(path)) == ByteString(Self.resolved(place))
  }

  /// Creates the file from the bytes that `body` writes to the stream.
  func write(_ body: (FileStream) throws(KacheryError) -> Void) throws(KacheryError) {
    guard !isSpecial else { return try body(try open(path, .write)) }
    let name = ".kachery-\(FileSystem.processID)-\(UInt32.random(in: 0 ... .max)).part"
    let temporary = "\(Self.parent(of: place))/\(name)"
    try Interruption.guarding(temporary) { () throws(KacheryError) in
      do throws(KacheryError) { try fill(temporary, body) } catch {
        try? FileSystem.remove(temporary)
        throw error
      }
    }
  }

  private func fill(_ temporary: String, _ body: (FileStream) throws(KacheryError) -> Void) throws(KacheryError) {
    let stream = try open(temporary, .create)
    try body(stream)
    if let permissions { stream.setPermissions(permissions) }
    do throws(KacheryError) {
      try stream.sync()
      try Interruption.rename(temporary, to: place)
    } catch {
      throw Self.problem("write", path, error)
    }
  }

  private func open(_ path: String, _ access: FileStream.Access) throws(KacheryError) -> FileStream {
    do throws(KacheryError) { return try FileStream(path, access) } catch {
      throw Self.problem("write", self.path, error)
    }
  }

  private static func folder(_ path: String) -> KacheryError {
    KacheryError(.badRequest, "'\(path)' is a folder; name the file to write.")
  }

  private static func parent(of path: String) -> String {
    let (folder, name) = path.cut(atLast: "/")
    guard name != nil else { return "." }
    return folder.isEmpty ? "/" : String(folder)
  }

  private static func resolved(_ path: String) -> String { (try? FileSystem.resolved(path)) ?? path }

  /// The error for a failed file operation.
  static func problem(_ action: String, _ path: String, _ error: KacheryError) -> KacheryError {
    let isKnown = error.code == .diskFull || error.code == .permissionDenied
    return KacheryError(
      isKnown ? error.code : .storageFailed,
      "Cannot \(action) '\(path)': \(error.systemReason ?? error.message).", cause: error.cause)
  }
}

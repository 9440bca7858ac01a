import Files
import Glibc
package import Primitives

/// A separate folder for a test, removed with all its contents when the object is released.
package final class TemporaryFolder: Sendable {
  package let path: String

  /// A new empty folder below `TMPDIR`, or below `/tmp` if that is not set.
  ///
  /// - Parameter inMemory: below `/dev/shm` instead, for tests that would wait for the disk thousands of times.
  package convenience init(inMemory: Bool = false) throws(KacheryError) {
    try self.init(below: inMemory ? "/dev/shm" : Self.system)
  }

  deinit { remove() }

  /// Removes the folder now: some reference may outlive the test. Idempotent.
  package func remove() { Self.removeAll(path) }

  /// A new empty folder on a disk, for tests that need one: the system's temporary folder is in memory on Debian 13.
  package static func onDisk() throws(KacheryError) -> TemporaryFolder { try TemporaryFolder(below: "/var/tmp") }

  private init(below place: String) throws(KacheryError) {
    path = "\(place)/kachery-test-\(FileSystem.processID)-\(UInt64.random(in: 0...UInt64.max))"
    try FileSystem.createFolder(path, permissions: 0o700)
  }

  /// The path of an entry in the folder.
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file in the folder and returns its path.
  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8], permissions: UInt32 = 0o644) throws(KacheryError) -> String {
    let file = try File(path(name), .create(permissions: permissions))
    defer { file.close() }
    try file.truncate(to: 0)
    try file.write(at: 0, bytes)
    return file.path
  }

  /// Writes a text file in the folder and returns its path.
  @discardableResult
  package func write(_ name: String, _ text: String) throws(KacheryError) -> String {
    try write(name, Array(text.utf8))
  }

  /// The paths, relative to the folder, of every file below it, sorted.
  package func files() throws(KacheryError) -> [String] { try Self.files(in: path, prefix: "").sorted() }

  private static func files(in folder: String, prefix: String) throws(KacheryError) -> [String] {
    var found: [String] = []
    for name in try FileSystem.names(in: folder) {
      let isFolder = try FileSystem.status("\(folder)/\(name)", followingLinks: false).kind == .folder
      if isFolder {
        found += try files(in: "\(folder)/\(name)", prefix: "\(prefix)\(name)/")
      } else {
        found.append(prefix + name)
      }
    }
    return found
  }

  private static let system: String = {
    let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    return named.isEmpty ? "/tmp" : named
  }()

  /// Removes a folder, even if a test has removed its permissions, and by the bytes of its names: some tests create
  /// names that are not UTF-8.
  private static func removeAll(_ folder: String) {
    chmod(folder, 0o700)
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    if descriptor >= 0 { empty(descriptor) }
    rmdir(folder)
  }

  /// Removes the contents of a folder, and closes its descriptor.
  private static func empty(_ descriptor: Int32) {
    guard let listing = fdopendir(descriptor) else {
      close(descriptor)
      return
    }
    defer { closedir(listing) }
    while let entry = readdir(listing), let place = entry.pointer(to: \.d_name) {
      let name = UnsafeRawPointer(place).assumingMemoryBound(to: CChar.self)
      if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(descriptor, name, 0) == 0 { continue }
      fchmodat(descriptor, name, 0o700, 0)
      let inner = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if inner >= 0 { empty(inner) }
      unlinkat(descriptor, name, AT_REMOVEDIR)
    }
  }
}

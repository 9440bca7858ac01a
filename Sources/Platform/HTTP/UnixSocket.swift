internal import CMicroHTTPD
internal import Glibc
internal import Primitives

/// The credentials of the process that connected to a Unix socket, recorded by the kernel when it connected.
package struct PeerCredentials: Hashable, Sendable {
  /// More groups than this are ignored.
  private static let maximumGroups = 65_536

  package let user: UInt32
  /// All groups of the process, including its primary one.
  package let groups: Set<UInt32>

  package init(user: UInt32, groups: Set<UInt32>) {
    self.user = user
    self.groups = groups
  }

  /// If the kernel does not report the credentials, the result is user -1, who does not exist and is in no group.
  init(_ descriptor: Int32) {
    var primary: UInt32 = 0
    let known = CMicroHTTPD_peer_user(descriptor, &primary)
    guard known >= 0 else {
      self.init(user: .max, groups: [])
      return
    }
    self.init(user: UInt32(truncatingIfNeeded: known), groups: Self.groups(descriptor).union([primary]))
  }

  /// The user at the other end of a socket, as in `init`.
  static func user(_ descriptor: Int32) -> UInt32 {
    var primary: UInt32 = 0
    let known = CMicroHTTPD_peer_user(descriptor, &primary)
    return known < 0 ? .max : UInt32(truncatingIfNeeded: known)
  }

  private static func groups(_ descriptor: Int32) -> Set<UInt32> {
    var room = 64
    while room <= maximumGroups {
      var groups = [UInt32](repeating: 0, count: room)
      let count = Int(CMicroHTTPD_peer_groups(descriptor, &groups, Int32(room)))
      if count >= 0 { return Set(groups.prefix(count)) }
      guard errno == ERANGE else { return [] }
      room *= 4
    }
    return []
  }
}

/// Sockets with a path in the file system.
enum UnixSocket {
  private static let backlog: Int32 = 1_024

  /// A path short enough for the kernel, which accepts 107 bytes: a longer one is replaced by one through a descriptor
  /// of its folder, which stays open as long as this object exists.
  final class Address {
    let path: String
    private let folder: Int32?

    init(_ path: String) throws(KacheryError) {
      guard path.utf8.count >= MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
        self.path = path
        folder = nil
        return
      }
      let (parent, name) = path.cut(atLast: "/")
      let descriptor = open(name == nil ? "." : "\(parent)/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard descriptor >= 0 else { throw UnixSocket.failure("reach", path, errno) }
      folder = descriptor
      self.path = "/proc/self/fd/\(descriptor)/\(name ?? parent)"
    }

    deinit { if let folder { close(folder) } }
  }

  /// Creates a listening socket at this path, to which every user may connect.
  static func listen(at path: String) throws(KacheryError) -> Int32 {
    let address = try Address(path)
    try removeStale(path)
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw failure("make", path, errno) }
    guard bind(descriptor, to: address.path) == 0, chmod(address.path, 0o666) == 0,
      Glibc.listen(descriptor, backlog) == 0
    else {
      let number = errno
      close(descriptor)
      throw failure("listen on", path, number)
    }
    return descriptor
  }

  static func remove(_ path: String) { unlink(path) }

  private static func bind(_ descriptor: Int32, to path: String) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { room in room.copyBytes(from: path.utf8.prefix(room.count - 1)) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private static func removeStale(_ path: String) throws(KacheryError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw KacheryError(.storageFailed, "\(path) must be a socket, but something else is there; move it away.")
    }
    unlink(path)
  }

  private static func failure(_ attempt: String, _ path: String, _ number: Int32) -> KacheryError {
    KacheryError(.storageFailed, "Could not \(attempt) the socket \(path): \(String(cString: strerror(number))).")
  }
}

import Glibc

/// Datagrams to sockets of this machine, which have a path.
enum LocalDatagram {
  /// Sends one datagram, unless that would have to wait.
  ///
  /// - Parameter address: a path, or `@` and an abstract name.
  /// - Returns: whether the receiver has it.
  static func send(_ bytes: [UInt8], to address: String) -> Bool {
    var place = sockaddr_un()
    place.sun_family = sa_family_t(AF_UNIX)
    var name = Array(address.utf8)
    let isAbstract = name.first == UInt8(ascii: "@")
    if isAbstract { name[0] = 0 }
    let room = MemoryLayout.size(ofValue: place.sun_path)
    guard !name.isEmpty, name.count < room else { return false }
    withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: name) }
    // An abstract name has no zero at its end.
    let length = MemoryLayout<sockaddr_un>.size - room + name.count + (isAbstract ? 0 : 1)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let sent = withUnsafePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
        bytes.withUnsafeBytes {
          sendto(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), socketAddress, socklen_t(length))
        }
      }
    }
    return sent == bytes.count
  }
}

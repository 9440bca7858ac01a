import Glibc

/// Makes listening sockets of this process ignore what arrives, as a router does that lets nothing in.
package enum DeafListener {
  private static let attachFilter: Int32 = 26
  private static let acceptsConnections: Int32 = 30
  /// The filter program of one instruction that drops every packet: its code, two jumps, and the bytes to keep.
  private static let dropAll: [UInt16] = [6, 0, 0, 0]

  /// Makes the listener of this port ignore every packet. Connections that leave from the port get theirs.
  ///
  /// - Returns: whether there is such a listener.
  package static func make(port: UInt16) -> Bool {
    for descriptor in Int32(3)..<4_096 where isListening(descriptor) && self.port(of: descriptor) == port {
      return dropAll.withUnsafeBufferPointer { filter in
        var program: (UInt, UnsafeRawPointer?) = (1, UnsafeRawPointer(filter.baseAddress))
        return setsockopt(descriptor, SOL_SOCKET, attachFilter, &program, 16) == 0
      }
    }
    return false
  }

  private static func isListening(_ descriptor: Int32) -> Bool {
    var (value, size) = (Int32(0), socklen_t(4))
    return getsockopt(descriptor, SOL_SOCKET, acceptsConnections, &value, &size) == 0 && value == 1
  }

  private static func port(of descriptor: Int32) -> UInt16? {
    var address = sockaddr_in6()
    var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    // The port has the same place in both families.
    return result == 0 ? UInt16(bigEndian: address.sin6_port) : nil
  }
}

internal import CUV
import Glibc

/// How the socket of an outgoing connection is set up before it connects.
extension TCPConnection {
  /// Gives the connection a socket that leaves from this local port, which may be that of a listening socket.
  ///
  /// - Parameters:
  ///   - port: the local port; nil for any.
  ///   - maximumSegment: the most bytes per packet, in either direction; nil for as many as the path seems to allow.
  /// - Returns: 0, or an error of libuv. The connection is then to be closed.
  func openSocket(family: Int32, from port: UInt16?, maximumSegment: Int?) -> Int32 {
    guard port != nil || maximumSegment != nil else { return 0 }
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -errno }
    if let maximumSegment { set(TCP_MAXSEG, to: Int32(clamping: maximumSegment), on: descriptor) }
    var result = port.map { Self.bind(descriptor, family: family, port: $0) } ?? 0
    if result == 0 { result = uv_tcp_open(raw(as: uv_tcp_t.self), descriptor) }
    if result < 0 { Glibc.close(descriptor) }
    return result
  }

  /// Binds the socket to this port at whatever address leads to the other end.
  private static func bind(_ descriptor: Int32, family: Int32, port: UInt16) -> Int32 {
    guard LoopHandle.sharePort(of: descriptor) else { return -errno }
    var storage = sockaddr_storage()
    let size: Int
    if family == AF_INET6 {
      var address = sockaddr_in6()
      (address.sin6_family, address.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
      size = MemoryLayout.size(ofValue: address)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: sockaddr_in6.self) }
    } else {
      var address = sockaddr_in()
      (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
      size = MemoryLayout.size(ofValue: address)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: sockaddr_in.self) }
    }
    let result = withUnsafePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, socklen_t(size)) }
    }
    return result < 0 ? -errno : 0
  }

  /// Whether the socket is connected to itself: a dial of the port that it leaves from.
  var isOwnPeer: Bool { localEndpoint != nil && localEndpoint == remoteEndpoint }

  /// Closes the connection immediately, so that neither end waits before the two addresses can be connected again.
  /// Idempotent.
  package func abort() {
    if let descriptor {
      var now = linger(l_onoff: 1, l_linger: 0)
      _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }
    close()
  }
}

extension LoopHandle {
  /// Makes a listening socket forget a connection that the other end does not complete within 3 s, instead of a minute.
  /// Until then, nothing can be dialed from the port to that end. An end that is still interested asks again.
  static func forgetHalfOpenConnections(of descriptor: Int32) {
    var repetitions: Int32 = 1
    _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_SYNCNT, &repetitions, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Lets connections leave from the port of this socket. A socket that listens must do so already: another process
  /// could otherwise listen on the same port and get some of its connections.
  static func sharePort(of descriptor: Int32) -> Bool {
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    return setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size) == 0
      && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, size) == 0
  }
}

internal import CUV
package import Primitives

/// A UDP socket. Delivers datagrams through `onDatagram`; what cannot be sent immediately is lost, as on the way.
package final class UDPSocket: LoopHandle {
  /// Bytes of the largest datagram that is delivered; larger ones are dropped.
  package static let maximumDatagram = 2_048

  /// A datagram and the socket that sent it.
  package var onDatagram: (([UInt8], Endpoint) -> Void)?
  /// The address, with the port that the kernel chose if the request was for port 0.
  package private(set) var endpoint: Endpoint?

  private var isReceiving = false

  /// A socket at this address. Loop only.
  ///
  /// - Parameters:
  ///   - host: an address of this machine, with a zone if it is link-local IPv6 (`fe80::1%eth0`).
  ///   - port: 0 for any free one.
  /// - Throws: `badConfiguration` if the machine does not have the address, `alreadyRunning` if another socket has the
  ///   port.
  package static func bind(on loop: EventLoop, host: String, port: UInt16) throws(KacheryError) -> UDPSocket {
    try open(on: loop, host: host, port: port, flags: 0) { (_) throws(KacheryError) in }
  }

  /// A socket that receives what is sent to the group on the network of one of this machine's addresses, and nothing
  /// else. Other sockets can do the same. Loop only.
  ///
  /// - Parameters:
  ///   - group: the group's address.
  ///   - host: an address of this machine, of the same family, with a zone if it is link-local IPv6.
  /// - Throws: `badConfiguration` if the machine does not have the address, or another error if its interface does not
  ///   carry multicast.
  package static func receive(
    on loop: EventLoop, group: String, port: UInt16, at host: String
  ) throws(KacheryError) -> UDPSocket {
    let zone = host.cut(at: "%").tail
    // In IPv6, the zone also restricts the socket to one interface.
    let qualified = zone.map { "\(group)%\($0)" } ?? group
    let flags = UInt32(UV_UDP_REUSEADDR.rawValue)
    return try open(on: loop, host: qualified, port: port, flags: flags) { (socket) throws(KacheryError) in
      try socket.join(group, at: host)
    }
  }

  private static func open(
    on loop: EventLoop, host: String, port: UInt16, flags: UInt32,
    then: (UDPSocket) throws(KacheryError) -> Void
  ) throws(KacheryError) -> UDPSocket {
    let socket = UDPSocket(loop: loop)
    do throws(KacheryError) {
      guard !socket.isClosing else { throw EventLoop.stopping }
      var address = try SocketAddress(numericHost: host, port: port)
      let result = address.withPointer { uv_udp_bind(socket.udp, $0, flags) }
      try UVError.check(result, "Opening a UDP socket at \(host) port \(port) failed")
      socket.endpoint = SocketAddress.local(of: socket.udp)
      try then(socket)
    } catch {
      socket.close()
      throw error
    }
    return socket
  }

  private init(loop: EventLoop) {
    super.init(loop: loop, byteCount: MemoryLayout<uv_udp_t>.size)
    guard !isClosing else { return }
    uv_udp_init(loop.core.loop, udp)
    adopt()
  }

  private var udp: UnsafeMutablePointer<uv_udp_t> { raw(as: uv_udp_t.self) }

  private func join(_ group: String, at host: String) throws(KacheryError) {
    let action = "Joining the group \(group) at \(host) failed"
    var descriptor: Int32 = -1
    try UVError.check(uv_fileno(raw(as: uv_handle_t.self), &descriptor), action)
    CUV_receive_joined_groups_only(descriptor)
    try UVError.check(uv_udp_set_membership(udp, group, host, UV_JOIN_GROUP), action)
  }

  /// Sends to groups over the interface with this address of the machine, no further than its network, and to other
  /// sockets of this machine as well.
  package func sendToGroups(at host: String) throws(KacheryError) {
    loop.preconditionOnLoop()
    guard !isClosing else { throw EventLoop.stopping }
    let action = "Sending to groups at \(host) is not possible"
    try UVError.check(uv_udp_set_multicast_interface(udp, host), action)
    try UVError.check(uv_udp_set_multicast_ttl(udp, 1), action)
    try UVError.check(uv_udp_set_multicast_loop(udp, 1), action)
  }

  /// Sends a datagram.
  ///
  /// - Parameter host: a numeric address, with a zone if it is link-local IPv6.
  /// - Returns: whether the kernel has accepted it. It has not if its buffer is full, or the network is gone.
  @discardableResult
  package func send(_ bytes: [UInt8], to host: String, port: UInt16) -> Bool {
    loop.preconditionOnLoop()
    guard !isClosing, var address = try? SocketAddress(numericHost: host, port: port) else { return false }
    return bytes.withUnsafeBytes { bytes in
      var buffer = TCPConnection.buffer(of: bytes)
      return address.withPointer { uv_udp_try_send(udp, &buffer, 1, $0) } >= 0
    }
  }

  /// Starts or resumes receiving. Nothing is received before the first call.
  package func resumeReceiving() {
    loop.preconditionOnLoop()
    guard !isReceiving, !isClosing else { return }
    isReceiving = true
    uv_udp_recv_start(
      udp,
      { handle, _, buffer in
        guard let socket = LoopHandle.owner(of: handle) else { return }
        let memory = socket.loop.core.readBuffer
        buffer?.pointee = uv_buf_init(
          memory.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(UDPSocket.maximumDatagram))
      },
      { handle, count, buffer, address, flags in
        // No address: there is nothing more to read. An error belongs to an earlier datagram, or the interface is gone.
        guard let socket = LoopHandle.owner(of: handle) as? UDPSocket, count >= 0, let address, let buffer,
          flags & UInt32(UV_UDP_PARTIAL.rawValue) == 0, let sender = SocketAddress.endpoint(address)
        else { return }
        let bytes = UnsafeRawBufferPointer(start: buffer.pointee.base, count: count)
        socket.onDatagram?(Array(bytes), sender)
      })
  }

  /// Stops receiving until `resumeReceiving`; the kernel drops what does not fit into its buffer.
  package func pauseReceiving() {
    loop.preconditionOnLoop()
    guard isReceiving, !isClosing else { return }
    isReceiving = false
    uv_udp_recv_stop(udp)
  }

  override func closedByLoop() { close() }

  /// Closes the socket. No callback is called afterwards. Idempotent.
  package func close() {
    onDatagram = nil
    closeHandle()
  }
}

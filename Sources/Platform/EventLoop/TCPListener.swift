internal import CUV
package import Primitives

/// A listening TCP socket.
package final class TCPListener: LoopHandle {
  /// Connections that the kernel queues until they are accepted.
  private static let backlog: Int32 = 1_024

  /// Called for each new connection, which then belongs to the callee.
  package var onConnection: ((TCPConnection) -> Void)?
  /// The address, with the port that the kernel chose if the request was for port 0.
  package private(set) var endpoint: Endpoint?

  /// Listens on this address; `::` means every IPv4 and IPv6 address. Outgoing connections may leave from the same port.
  /// Loop only.
  ///
  /// - Throws: `alreadyRunning` if another process has the port, `badConfiguration` if the address does not belong to
  ///   this machine.
  package static func listen(on loop: EventLoop, host: String, port: UInt16) throws(KacheryError) -> TCPListener {
    let listener = TCPListener(loop: loop)
    do throws(KacheryError) {
      try listener.bind(host: host, port: port)
    } catch {
      listener.close()
      throw error
    }
    return listener
  }

  private init(loop: EventLoop) {
    super.init(loop: loop, byteCount: MemoryLayout<uv_tcp_t>.size)
    guard !isClosing else { return }
    uv_tcp_init(loop.core.loop, raw(as: uv_tcp_t.self))
    adopt()
  }

  private func bind(host: String, port: UInt16) throws(KacheryError) {
    guard !isClosing else { throw EventLoop.stopping }
    let action = "Listening on \(host) port \(port) failed"
    var address = try SocketAddress(numericHost: host == "localhost" ? "127.0.0.1" : host, port: port)
    let tcp = raw(as: uv_tcp_t.self)
    try UVError.check(address.withPointer { uv_tcp_bind(tcp, $0, 0) }, action)
    let result = uv_listen(raw(as: uv_stream_t.self), Self.backlog) { stream, status in
      guard status == 0, let listener = LoopHandle.owner(of: stream) as? TCPListener else { return }
      listener.accept()
    }
    try UVError.check(result, action)
    endpoint = SocketAddress.local(of: tcp)
    var descriptor: uv_os_fd_t = -1
    guard uv_fileno(raw(as: uv_handle_t.self), &descriptor) == 0 else { return }
    // If it fails, connections leave from other ports.
    _ = Self.sharePort(of: descriptor)
    Self.forgetHalfOpenConnections(of: descriptor)
  }

  private func accept() {
    let connection = TCPConnection(loop: loop)
    guard uv_accept(raw(as: uv_stream_t.self), connection.raw(as: uv_stream_t.self)) == 0, let onConnection else {
      return connection.close()
    }
    connection.begin()
    onConnection(connection)
  }

  override func closedByLoop() { close() }

  /// Stops listening. Idempotent.
  package func close() {
    onConnection = nil
    closeHandle()
  }
}

internal import CUV
package import Primitives

/// Why a single dial has failed.
package enum DialFailure: Error, Equatable {
  /// Something has refused the connection, and may let the next one pass.
  case refused
  /// There is a connection between the two endpoints already, or there was a moment ago.
  case taken
  /// The address cannot be reached.
  case unreachable(String)
}

/// One dial of one numeric address from one local port, without a timeout and without another port in reserve.
package final class SingleDial {
  private let loop: EventLoop
  private var connection: TCPConnection?
  private var done: ((Result<TCPConnection, DialFailure>) -> Void)?

  /// Dials `endpoint` from this port. `done` is called once, on the loop, never before this returns. Loop only.
  package init(
    on loop: EventLoop, to endpoint: Endpoint, from port: UInt16,
    _ done: @escaping (Result<TCPConnection, DialFailure>) -> Void
  ) {
    loop.preconditionOnLoop()
    self.loop = loop
    self.done = done
    let result = start(endpoint, port)
    // The object lives until its owner knows the result.
    if result < 0 { loop.later { self.ended(result) } }
  }

  private func start(_ endpoint: Endpoint, _ port: UInt16) -> Int32 {
    guard !loop.core.isClosing, var address = try? SocketAddress(numericHost: endpoint.host, port: endpoint.port) else {
      return UV_EINVAL.rawValue
    }
    let connection = TCPConnection(loop: loop)
    self.connection = connection
    return address.withPointer { address in
      let result = connection.openSocket(family: Int32(address.pointee.sa_family), from: port, maximumSegment: nil)
      return result < 0 ? result : ConnectRequest { self.ended($0) }.start(connection, address)
    }
  }

  private func ended(_ status: Int32) {
    guard let tell = done else { return }
    done = nil
    guard status == 0, let connection else {
      self.connection?.abort()
      self.connection = nil
      return tell(.failure(Self.failure(status)))
    }
    self.connection = nil
    connection.begin()
    tell(.success(connection))
  }

  private static func failure(_ status: Int32) -> DialFailure {
    switch uv_errno_t(status) {
    case UV_ECONNREFUSED, UV_ECONNRESET: .refused
    case UV_EADDRNOTAVAIL, UV_EADDRINUSE: .taken
    default: .unreachable(UVError.error(status, "Connecting failed").message)
    }
  }

  /// Calls `done` with the result, in place of what was to be called.
  package func redirect(_ done: @escaping (Result<TCPConnection, DialFailure>) -> Void) {
    if self.done != nil { self.done = done }
  }

  /// Gives up; nothing is called afterwards. Idempotent.
  package func abort() {
    done = nil
    connection?.abort()
    connection = nil
  }
}

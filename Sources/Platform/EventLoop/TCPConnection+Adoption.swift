internal import CUV
import Glibc
package import Primitives

extension TCPConnection {
  /// A connection that something else has opened, by its descriptor, which it owns from now on. Loop only.
  ///
  /// - Parameter endpoint: where the connection leads in the end: its own other end may be a proxy.
  /// - Throws: if the descriptor is no connected socket, or the loop is stopping. The descriptor is then closed.
  package static func adopt(
    _ descriptor: Int32, through endpoint: Endpoint, on loop: EventLoop
  ) throws(KacheryError) -> TCPConnection {
    loop.preconditionOnLoop()
    let connection = TCPConnection(loop: loop)
    let result = connection.isClosing ? Int32(UV_ECANCELED.rawValue) : connection.open(descriptor)
    guard result >= 0 else {
      if descriptor >= 0 { Glibc.close(descriptor) }
      connection.close()
      throw UVError.error(result, "The connection to \(endpoint) cannot be used")
    }
    connection.begin(beyondProxy: endpoint)
    return connection
  }

  private func open(_ descriptor: Int32) -> Int32 { uv_tcp_open(raw(as: uv_tcp_t.self), descriptor) }
}

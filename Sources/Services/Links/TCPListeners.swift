import EventLoop
import Primitives

/// The addresses on which a transport accepts TCP connections. Bound to the loop.
struct TCPListeners {
  private var listeners: [TCPListener] = []

  /// The port of the first address; nil if there is none.
  var port: UInt16? { listeners.first?.endpoint?.port }

  /// Listens on a further address.
  ///
  /// - Parameter accept: called for each connection, which then belongs to the callee.
  /// - Returns: the address, with the port that the kernel chose if `port` is 0.
  mutating func listen(
    on loop: EventLoop, host: String, port: UInt16, accept: @escaping (TCPConnection) -> Void
  ) throws(KacheryError) -> Endpoint {
    let listener = try TCPListener.listen(on: loop, host: host, port: port)
    guard let endpoint = listener.endpoint else {
      listener.close()
      throw KacheryError(.internalError, "The listening address is unknown.")
    }
    listener.onConnection = accept
    listeners.append(listener)
    return endpoint
  }

  /// Listens no more. Idempotent.
  mutating func close() {
    for listener in listeners { listener.close() }
    listeners = []
  }
}

package import EventLoop
import Primitives
package import TLS

extension TCPConnection: BytePipe {}

extension ConnectAttempt: PendingDial {}

/// Links over TCP. Bound to the loop.
final class TCPTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?

  private let loop: EventLoop
  private let sessions: PipeSessions
  private var listeners: [TCPListener] = []
  private var narrowPaths = NarrowPaths()

  /// A transport that proves `identity` to other nodes.
  init(loop: EventLoop, identity: TLSIdentity) {
    self.loop = loop
    sessions = PipeSessions(loop: loop, identity: identity)
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    let listener = try TCPListener.listen(on: loop, host: host, port: port)
    guard let endpoint = listener.endpoint else {
      listener.close()
      throw KacheryError(.internalError, "The listening address is unknown.")
    }
    listener.onConnection = { [weak self] in self?.accept($0) ?? $0.close() }
    listeners.append(listener)
    return endpoint
  }

  private func accept(_ connection: TCPConnection) {
    guard let onHandshake else { return connection.close() }
    onHandshake(sessions.handshake(over: connection, isDialer: false, expected: nil))
  }

  func dial(
    to endpoint: Endpoint, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    let limit: (String) -> Int? = { [weak self] in self?.segmentLimit(to: $0) }
    return TCPConnection.connect(on: loop, to: endpoint, timeout: timeout, maximumSegment: limit) { result in
      done(result.map { self.sessions.handshake(over: $0, isDialer: true, expected: expected) })
    }
  }

  func avoidLargePackets(to host: String) { narrowPaths.add(host, at: loop.now) }

  private func segmentLimit(to host: String) -> Int? {
    narrowPaths.contains(host, at: loop.now) ? NarrowPaths.segment : nil
  }

  func close() {
    for listener in listeners { listener.close() }
    listeners = []
    onHandshake = nil
  }
}

extension LinkHost {
  /// A host whose links run over TCP and prove `identity` to other nodes.
  package convenience init(
    loop: EventLoop, identity: TLSIdentity, handshakeTime: Duration = LinkHost.handshakeTime
  ) {
    self.init(
      loop: loop, transport: TCPTransport(loop: loop, identity: identity),
      nested: PipeSessions(loop: loop, identity: identity), handshakeTime: handshakeTime)
  }
}

package import EventLoop
import Primitives
package import TLS

extension TCPConnection: BytePipe {
  var passage: Passage { isProxied ? .proxy : .direct }
}

extension ConnectAttempt: PendingDial {}

/// Links over TCP. Bound to the loop.
final class TCPTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?

  private let loop: EventLoop
  private let sessions: PipeSessions
  private let proxies: ProxyDialer
  private var listeners: [TCPListener] = []
  private var narrowPaths = NarrowPaths()

  /// A transport that proves `identity` to other nodes.
  ///
  /// - Parameter proxies: dials the hosts that are to be reached through a proxy.
  init(loop: EventLoop, identity: TLSIdentity, proxies: ProxyDialer = ProxyDialer()) {
    self.loop = loop
    self.proxies = proxies
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
    let opened: (Result<TCPConnection, KacheryError>) -> Void = { result in
      done(result.map { self.sessions.handshake(over: $0, isDialer: true, expected: expected) })
    }
    if let dial = proxies.dial(on: loop, to: endpoint, timeout: timeout, opened) { return dial }
    let limit: (String) -> Int? = { [weak self] in self?.segmentLimit(to: $0) }
    return TCPConnection.connect(on: loop, to: endpoint, timeout: timeout, maximumSegment: limit, opened)
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
  /// A host whose links run over TCP and WebSockets and prove `identity` to other nodes.
  ///
  /// - Parameter proxies: dials the hosts that are to be reached through a proxy.
  package convenience init(
    loop: EventLoop, identity: TLSIdentity, proxies: ProxyDialer = ProxyDialer(),
    handshakeTime: Duration = LinkHost.handshakeTime
  ) {
    self.init(
      loop: loop, transport: TCPTransport(loop: loop, identity: identity, proxies: proxies),
      webSockets: [
        .webSocket: WebSocketTransport(loop: loop, identity: identity, isSecure: false, proxies: proxies),
        .secureWebSocket: WebSocketTransport(loop: loop, identity: identity, isSecure: true, proxies: proxies),
      ],
      nested: PipeSessions(loop: loop, identity: identity), handshakeTime: handshakeTime)
  }
}

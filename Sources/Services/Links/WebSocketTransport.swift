import EventLoop
import Primitives
import TLS
import WebSocket

/// Links within WebSockets, for networks and servers that pass on nothing else. Bound to the loop.
final class WebSocketTransport: LinkTransport {
  /// The most accepted connections whose WebSockets are not open yet: strangers cannot make a node hold more.
  static let maximumOpenings = 128
  /// The most of them from one address. A server in front of the node connects only when it has a whole request.
  static let maximumOpeningsPerAddress = 64
  /// How long a client may take to open its WebSocket.
  static let openingTime: Duration = .seconds(10)

  var onHandshake: ((any CarrierHandshake) -> Void)?

  private let loop: EventLoop
  private let sessions: PipeSessions
  private let proxies: ProxyDialer
  private let isSecure: Bool
  /// Memory for the TLS around the WebSockets, inside which the nodes' own sessions run.
  private let scratch = ScratchBuffer()
  private var listeners = TCPListeners()
  private var openings: [ObjectIdentifier: WebSocketOpening] = [:]

  /// - Parameters:
  ///   - isSecure: whether dialed servers expect TLS around the WebSocket. Servers in front of this node end it there.
  ///   - proxies: dials the hosts that are to be reached through a proxy.
  init(loop: EventLoop, identity: TLSIdentity, isSecure: Bool, proxies: ProxyDialer = ProxyDialer()) {
    self.loop = loop
    self.isSecure = isSecure
    self.proxies = proxies
    sessions = PipeSessions(loop: loop, identity: identity)
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    try listeners.listen(on: loop, host: host, port: port) { [weak self] in self?.accept($0) ?? $0.close() }
  }

  private func accept(_ connection: TCPConnection) {
    let host = connection.remoteEndpoint?.host
    let ofSameAddress = openings.values.count { $0.remoteHost == host }
    guard onHandshake != nil, openings.count < Self.maximumOpenings, ofSameAddress < Self.maximumOpeningsPerAddress
    else { return connection.close() }
    var key: ObjectIdentifier?
    let opening = WebSocketOpening(over: connection, .server, timeout: Self.openingTime, loop: loop) {
      [weak self] result in
      if let key { self?.openings[key] = nil }
      guard case .success(let pipe) = result else { return }
      guard let self, let onHandshake else { return pipe.close() }
      onHandshake(sessions.handshake(over: pipe, isDialer: false, expected: nil))
    }
    key = ObjectIdentifier(opening)
    openings[ObjectIdentifier(opening)] = opening
  }

  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    let dial = WebSocketDial()
    let opened: (Result<TCPConnection, KacheryError>) -> Void = { result in
      guard !dial.isCancelled else { return (try? result.get())?.close() ?? () }
      switch result {
      case .failure(let error): done(.failure(error))
      case .success(let connection):
        do throws(KacheryError) {
          dial.attempt = try self.open(over: connection, to: endpoint, timeout: timeout) { result in
            done(result.map { self.sessions.handshake(over: $0, isDialer: true, expected: expected) })
          }
        } catch {
          connection.close()
          done(.failure(error))
        }
      }
    }
    dial.attempt =
      proxies.dial(on: loop, to: endpoint, timeout: timeout, opened)
      ?? TCPConnection.connect(on: loop, to: endpoint, timeout: timeout, opened)
    return dial
  }

  private func open(
    over connection: TCPConnection, to endpoint: Endpoint, timeout: Duration,
    _ done: @escaping (Result<WebSocketPipe, KacheryError>) -> Void
  ) throws(KacheryError) -> WebSocketOpening {
    let pipe: any BytePipe =
      isSecure ? try UnverifiedTLSPipe(over: connection, server: endpoint.host, scratch: scratch) : connection
    let isUsualPort = endpoint.port == (isSecure ? Endpoint.httpsPort : Endpoint.httpPort)
    let host = isUsualPort ? "\(endpoint)".cut(atLast: ":").head : "\(endpoint)"[...]
    let side = WebSocketOpening.Side.client(
      host: String(host), server: "\(isSecure ? "wss" : "ws")://\(endpoint)")
    return WebSocketOpening(over: pipe, side, timeout: timeout, loop: loop, done)
  }

  func avoidLargePackets(to host: String) {}

  func close() {
    listeners.close()
    onHandshake = nil
    for opening in openings.values { opening.cancel() }
    openings = [:]
  }
}

/// An attempt to open a WebSocket: the connection first, then the opening handshake.
private final class WebSocketDial: PendingDial {
  var attempt: (any PendingDial)?
  private(set) var isCancelled = false

  func cancel() {
    isCancelled = true
    attempt?.cancel()
    attempt = nil
  }
}

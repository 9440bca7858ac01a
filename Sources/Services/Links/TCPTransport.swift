package import EventLoop
import Primitives
package import QUIC
package import TLS
import Wire

extension TCPConnection: BytePipe {
  var passage: Passage { isProxied ? .proxy : .direct }
}

extension ConnectAttempt: PendingDial {}

/// Links over TCP. Bound to the loop.
final class TCPTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?
  var onHalf: ((any LaneHalf) -> Void)?

  private let loop: EventLoop
  private let sessions: PipeSessions
  private let proxies: ProxyDialer
  private var listeners = TCPListeners()
  private var narrowPaths = NarrowPaths()
  /// Rounds under way.
  private var punches: [NodeID: TCPPunch] = [:]
  /// The dials of earlier rounds.
  private let kept: KeptDials
  /// Connections with a preamble that no round has taken yet.
  private var unclaimed: [WeakPath] = []

  private struct WeakPath { weak var path: TCPPath? }

  /// A transport that proves `identity` to other nodes.
  ///
  /// - Parameter proxies: dials the hosts that are to be reached through a proxy.
  init(loop: EventLoop, identity: TLSIdentity, proxies: ProxyDialer = ProxyDialer()) {
    self.loop = loop
    self.proxies = proxies
    kept = KeptDials(loop: loop)
    sessions = PipeSessions(loop: loop, identity: identity)
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    try listeners.listen(on: loop, host: host, port: port) { [weak self] in self?.accept($0) ?? $0.close() }
  }

  private func accept(_ connection: TCPConnection) {
    guard let onHandshake else { return connection.close() }
    onHandshake(
      TCPPath(connection, loop: loop, sessions: sessions) { [weak self] in
        self?.offer($0) ?? $0.cancel()
      } onJoin: { [weak self] path, preamble in
        guard let onHalf = self?.onHalf, let connection = path.take() else { return }
        onHalf(TCPLaneHalf(connection, preamble))
      })
  }

  /// Offers a connection with a preamble to the rounds. If none takes it now, one that begins soon may.
  private func offer(_ path: TCPPath) {
    // In any order: a preamble is of one round only.
    guard !punches.values.contains(where: { $0.claim(path) }) else { return }
    unclaimed.removeAll { $0.path == nil }
    unclaimed.append(WeakPath(path: path))
  }

  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    connect(to: endpoint, from: source, timeout: timeout) { result in
      done(result.map { self.sessions.handshake(over: $0, isDialer: true, expected: expected) })
    }
  }

  private func connect(
    to endpoint: Endpoint, from source: DialSource, timeout: Duration,
    _ opened: @escaping (Result<TCPConnection, KacheryError>) -> Void
  ) -> any PendingDial {
    if let dial = proxies.dial(on: loop, to: endpoint, timeout: timeout, opened) { return dial }
    let limit: (String) -> Int? = { [weak self] in self?.segmentLimit(to: $0) }
    let port = source == .listeningPort ? listeners.port : nil
    return TCPConnection.connect(
      on: loop, to: endpoint, timeout: timeout, from: port, maximumSegment: limit, opened)
  }

  func punch(
    _ round: PunchRound, own: NodeID, _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)? {
    // Nothing leaves this machine beside a proxy.
    guard let port = listeners.port, round.candidates.allSatisfy({ proxies.dialsDirectly($0.host) }) else { return nil }
    punches[round.peer]?.cancel()
    punches = punches.filter { !$0.value.isOver }
    let punch = TCPPunch(round, own: own, from: port, kept: kept, loop: loop) { [weak self] outcome in
      guard let self else { return (try? outcome.get())?.0.abort() ?? () }
      punches[round.peer] = nil
      done(
        outcome.map {
          self.sessions.handshake(
            over: $0.0, isDialer: round.isControlling, expected: round.peer, received: $0.received)
        })
    }
    punches[round.peer] = punch
    for path in unclaimed.compactMap(\.path) where punch.claim(path) { break }
    return punch
  }

  func join(
    _ preamble: JoinPreamble, at endpoint: Endpoint, expected: NodeID, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)? {
    let join = TCPJoin(preamble, loop: loop, timeout: timeout) { outcome in
      done(
        outcome.map {
          self.sessions.handshake(
            over: $0.0, isDialer: preamble.role == .opener, expected: expected, received: $0.received)
        })
    }
    join.start { connect(to: endpoint, from: .anyPort, timeout: timeout, $0) }
    return join
  }

  func avoidLargePackets(to host: String) { narrowPaths.add(host, at: loop.now) }

  private func segmentLimit(to host: String) -> Int? {
    narrowPaths.contains(host, at: loop.now) ? NarrowPaths.segment : nil
  }

  func close() {
    listeners.close()
    (onHandshake, onHalf) = (nil, nil)
    for punch in punches.values { punch.cancel() }
    punches = [:]
    kept.close()
  }
}

extension LinkHost {
  /// A host whose links run over TCP and WebSockets and prove `identity` to other nodes.
  ///
  /// - Parameters:
  ///   - quic: the same identity for links over QUIC; nil if there are none.
  ///   - proxies: dials the hosts that are to be reached through a proxy.
  package convenience init(
    loop: EventLoop, identity: TLSIdentity, quic: QUICIdentity? = nil, proxies: ProxyDialer = ProxyDialer(),
    handshakeTime: Duration = LinkHost.handshakeTime
  ) {
    var transports: [TransportKind: any LinkTransport] = [
      .webSocket: WebSocketTransport(loop: loop, identity: identity, isSecure: false, proxies: proxies),
      .secureWebSocket: WebSocketTransport(loop: loop, identity: identity, isSecure: true, proxies: proxies),
    ]
    if let quic { transports[.quic] = QUICTransport(loop: loop, identity: quic, proxies: proxies) }
    self.init(
      loop: loop, transport: TCPTransport(loop: loop, identity: identity, proxies: proxies), transports: transports,
      nested: PipeSessions(loop: loop, identity: identity), handshakeTime: handshakeTime)
  }
}

import EventLoop
import Primitives
import QUIC
import Wire

/// Links over QUIC. Bound to the loop.
final class QUICTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?
  var onProbe: ProbeHandler?

  private let loop: EventLoop
  private let identity: QUICIdentity
  private let proxies: ProxyDialer
  /// The sockets on which it listens.
  private var listeners: [QUICEndpoint] = []
  /// The sockets for IPv6 (true) and IPv4 of a transport that does not listen. They close when they are not used.
  private var dialers: [Bool: QUICEndpoint] = [:]
  /// The sockets of rounds that guess ports.
  private var guesses: [NodeID: GuessSockets] = [:]
  /// Those of them that were kept, by their ports.
  private var kept: [UInt16: QUICEndpoint] = [:]
  /// How long a socket is kept without a path.
  private static let keepingTime: Duration = .seconds(20)

  /// A transport that proves `identity` to other nodes.
  ///
  /// - Parameter proxies: knows the hosts that are to be reached through a proxy: no packet is sent to those.
  init(loop: EventLoop, identity: QUICIdentity, proxies: ProxyDialer = ProxyDialer()) {
    self.proxies = proxies
    self.loop = loop
    self.identity = identity
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    let endpoint = try QUICEndpoint(loop: loop, identity: identity, host: host, port: port)
    accept(at: endpoint, socket: nil)
    listeners.append(endpoint)
    return endpoint.local
  }

  private func accept(at endpoint: QUICEndpoint, socket: UInt16?) {
    endpoint.onPath = { [weak self, loop] path in
      guard let onHandshake = self?.onHandshake else { return path.close(.cut) }
      onHandshake(QUICHandshake(loop: loop, path: path))
    }
    endpoint.onProbe = { [weak self] in self?.onProbe?($0, $1, socket) }
  }

  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    // There is nothing to wait for before the handshake, whose deadline is the host's.
    QUICDial(
      timer: loop.after(.zero) { [loop] in
        do throws(KacheryError) {
          let path = try self.path(to: endpoint, from: source, expected: expected)
          done(.success(QUICHandshake(loop: loop, path: path)))
        } catch {
          done(.failure(error))
        }
      })
  }

  private func path(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?
  ) throws(KacheryError) -> QUICPath {
    guard let address = IPAddress(endpoint.host) else {
      throw KacheryError(.badConfiguration, "'\(endpoint.host)' is not a numeric address, as QUIC needs it.")
    }
    guard proxies.dialsDirectly(endpoint.host) else {
      throw KacheryError(.forbidden, "\(endpoint) is to be reached through a proxy, which does not pass QUIC.")
    }
    if case .socket(let port) = source {
      guard let path = try kept[port]?.path(to: endpoint, expected: expected) else {
        throw KacheryError(.disconnected, "The socket with UDP port \(port) is closed.")
      }
      return path
    }
    for listener in listeners { if let path = try listener.path(to: endpoint, expected: expected) { return path } }
    guard let path = try dialer(isIPv6: address.bytes.count == 16).path(to: endpoint, expected: expected) else {
      throw KacheryError(.disconnected, "\(endpoint) cannot be reached from this machine.")
    }
    return path
  }

  func send(_ probe: ProbeDatagram) {
    guard proxies.dialsDirectly(probe.endpoint.host) else { return }
    guard let port = probe.source else {
      for listener in listeners where listener.send(probe) { return }
      return
    }
    if let endpoint = kept[port] { _ = endpoint.send(probe) }
    // In any order: a port is that of one socket.
    for guess in guesses.values { guess.send(probe, from: port) }
  }

  func openSockets(_ opening: SocketOpening, for peer: NodeID) {
    closeSockets(for: peer)
    // As the listening sockets: a node that listens at one address only uses no other one.
    let hosts = listeners.map { $0.local.host == "::" ? "0.0.0.0" : $0.local.host }
    guard let host = hosts.first(where: { IPAddress($0)?.bytes.count == 4 }),
      proxies.dialsDirectly(opening.datagram.endpoint.host)
    else { return }
    guesses[peer] = GuessSockets(opening, at: host, on: loop) { [weak self] in self?.onProbe?($0, $1, $2) }
  }

  func keepSocket(_ port: UInt16, for peer: NodeID) {
    let socket = guesses[peer]?.take(port)
    closeSockets(for: peer)
    guard let socket, let endpoint = try? QUICEndpoint(loop: loop, identity: identity, socket: socket) else { return }
    accept(at: endpoint, socket: port)
    kept[port] = endpoint
    endpoint.onIdle = { [weak self] in self?.release(port) }
    _ = loop.after(Self.keepingTime) { [weak self] in self?.release(port) }
  }

  private func release(_ port: UInt16) {
    guard let endpoint = kept[port], endpoint.isIdle else { return }
    kept[port] = nil
    endpoint.close()
  }

  func closeSockets(for peer: NodeID) { guesses.removeValue(forKey: peer)?.close() }

  private func dialer(isIPv6: Bool) throws(KacheryError) -> QUICEndpoint {
    if let dialer = dialers[isIPv6] { return dialer }
    let dialer = try QUICEndpoint(loop: loop, identity: identity, host: isIPv6 ? "::" : "0.0.0.0", port: 0)
    dialers[isIPv6] = dialer
    dialer.onIdle = { [weak self, weak dialer] in
      guard let dialer else { return }
      if self?.dialers[isIPv6] === dialer { self?.dialers[isIPv6] = nil }
      dialer.close()
    }
    return dialer
  }

  func avoidLargePackets(to host: String) {
    // QUIC searches for the size itself, and begins with one that passes everywhere.
  }

  func close() {
    (onHandshake, onProbe) = (nil, nil)
    for guess in guesses.values { guess.close() }
    for listener in listeners + kept.values {
      (listener.onPath, listener.onProbe) = (nil, nil)
      listener.onIdle = { [weak listener] in listener?.close() }
      if listener.isIdle { listener.close() }
    }
    listeners = []
    (dialers, guesses, kept) = ([:], [:], [:])
  }
}

/// An attempt to open a path.
private final class QUICDial: PendingDial {
  private let timer: Timer

  init(timer: Timer) { self.timer = timer }

  func cancel() { timer.cancel() }
}

/// The handshake of a QUIC connection. Bound to the loop.
final class QUICHandshake: CarrierHandshake {
  private let loop: EventLoop
  private let path: QUICPath
  private var done: ((Result<any StreamCarrier, KacheryError>) -> Void)?
  private var isOver = false

  init(loop: EventLoop, path: QUICPath) {
    self.loop = loop
    self.path = path
  }

  var remoteEndpoint: Endpoint? { path.remoteEndpoint }

  func start(_ done: @escaping (Result<any StreamCarrier, KacheryError>) -> Void) {
    self.done = done
    path.onEstablished = { [weak self] in self?.established() }
    path.onEnd = { [weak self] in self?.ended($0) }
    path.flushSoon()
  }

  private func established() {
    let binding = path.connection.exportKeyingMaterial(label: "EXPORTER-kachery-link", count: 32)
    guard let peer = path.connection.peer, let binding else {
      path.close(.cut)
      return finish(.failure(KacheryError(.protocolViolation, "The other side did not prove a node ID.")))
    }
    finish(.success(QUICCarrier(loop: loop, path: path, proof: PeerProof(peer: peer, channelBinding: binding))))
  }

  private func ended(_ end: QUICPath.End) {
    let error: KacheryError =
      switch end {
      case .failed(let reason): failure(reason)
      case .closedByPeer(nil, let reason):
        KacheryError(.protocolViolation, "The other side refused the handshake: \(reason).")
      case .closedByPeer, .lost: KacheryError(.disconnected, "The other side closed during the handshake.")
      case .timedOut: KacheryError(.timedOut, "The other side does not answer.")
      }
    finish(.failure(error))
  }

  private func failure(_ reason: String) -> KacheryError {
    let failure = KacheryError(.protocolViolation, "The handshake failed: \(reason).")
    guard let stranger = path.connection.stranger, let expected = path.connection.expected else { return failure }
    return KacheryError(
      .protocolViolation, "The node that answered is \(stranger.short), not \(expected.short) as expected.",
      cause: failure)
  }

  private func finish(_ result: Result<any StreamCarrier, KacheryError>) {
    guard !isOver else { return }
    isOver = true
    let tell = done
    done = nil
    tell?(result)
  }

  func cancel() {
    guard !isOver else { return }
    isOver = true
    done = nil
    path.close(.cut)
  }
}

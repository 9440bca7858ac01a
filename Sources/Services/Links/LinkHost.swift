import EventLoop
package import Primitives
package import Wire

/// Opens and accepts the links of one node, and bounds the handshakes of all its transports together. Bound to the loop.
///
/// Releasing the host has the effect of `close`.
package final class LinkHost {
  /// The longest time that a handshake may take.
  package static let handshakeTime: Duration = .seconds(10)
  /// The most handshakes under way at a time: strangers cannot make a node hold more.
  package static let maximumHandshakes = 256
  /// The most handshakes under way at a time that one address has opened.
  package static let maximumHandshakesPerAddress = 32

  /// The most handshakes under way at a time that one address has opened, at this host.
  var maximumHandshakesPerAddress = LinkHost.maximumHandshakesPerAddress

  /// Called for each link that another node has opened.
  package var onLink: ((Link) -> Void)?
  /// Called for each handshake that another side opened and that failed, for the log.
  package var onRefused: ((Endpoint?, KacheryError) -> Void)?

  /// Called for each connection that is to become half of a joined lane; without it, they are closed.
  package var onHalf: ((any LaneHalf) -> Void)? {
    get { transport.onHalf }
    set { transport.onHalf = newValue }
  }

  /// Called with each datagram that begins like a probe, sent by anyone.
  package var onProbe: ProbeHandler? {
    get { transports[.quic]?.onProbe }
    set { transports[.quic]?.onProbe = newValue }
  }

  let loop: EventLoop
  private let transport: any LinkTransport
  private let otherTransports: [any LinkTransport]
  private let transports: [TransportKind: any LinkTransport]
  /// For links within streams of other links.
  private let nested: PipeSessions?
  private let handshakeTime: Duration
  private var handshakes: [ObjectIdentifier: LinkHandshake] = [:]
  private var isClosed = false

  /// A host that listens and dials over `transport`, and accepts what arrives over the others as well.
  ///
  /// - Parameters:
  ///   - transports: those for certain kinds. Kinds without one are opened by `transport`, and QUIC not at all.
  ///   - nested: for links within streams of other links; nil if there are none.
  init(
    loop: EventLoop, transport: any LinkTransport, accepting otherTransports: [any LinkTransport] = [],
    transports: [TransportKind: any LinkTransport] = [:], nested: PipeSessions? = nil,
    handshakeTime: Duration = LinkHost.handshakeTime
  ) {
    self.transports = transports
    self.nested = nested
    self.loop = loop
    self.transport = transport
    self.otherTransports = otherTransports
    self.handshakeTime = handshakeTime
    for transport in allTransports {
      transport.onHandshake = { [weak self] in self?.accept($0) ?? $0.cancel() }
    }
  }

  deinit {
    guard !isClosed else { return }
    // Nothing else refers to these, and only the loop touches them.
    nonisolated(unsafe) let (handshakes, transports) = (handshakes, allTransports)
    loop.post {
      for transport in transports { transport.close() }
      for handshake in handshakes.values { handshake.fail(Self.closing) }
    }
  }

  private var allTransports: [any LinkTransport] { [transport] + otherTransports + transports.values }

  /// Handshakes under way.
  package var openHandshakes: Int { handshakes.count }

  /// Accepts links on this address.
  ///
  /// - Returns: the address, with the port that the kernel chose if `port` is 0.
  package func listen(host: String, port: UInt16, over kind: TransportKind = .tcp) throws(KacheryError) -> Endpoint {
    guard let transport = transport(kind) else {
      throw KacheryError(.badConfiguration, "This node does not use QUIC.")
    }
    return try transport.listen(host: host, port: port)
  }

  private func transport(_ kind: TransportKind) -> (any LinkTransport)? {
    transports[kind] ?? (kind == .quic ? nil : transport)
  }

  private func accept(_ handshake: any CarrierHandshake) {
    let endpoint = handshake.remoteEndpoint
    let incoming = LinkHandshake(loop: loop, handshake: handshake, isIncoming: true)
    guard makeRoom(for: incoming) else { return handshake.cancel() }
    start(incoming) { [weak self] result in
      switch result {
      case .success(let link): if let onLink = self?.onLink { onLink(link) } else { link.close() }
      case .failure(let error): if !handshake.isTaken { self?.onRefused?(endpoint, error) }
      }
    }
  }

  /// Whether the handshake may begin. If there are too many, the oldest one of the address with the most makes room, so
  /// that a few addresses do not keep all others out.
  private func makeRoom(for new: LinkHandshake) -> Bool {
    let own = handshakes.values.count { $0.isIncoming && $0.origin == new.origin }
    guard own < maximumHandshakesPerAddress else { return false }
    guard handshakes.count >= Self.maximumHandshakes else { return true }
    let incoming = Dictionary(grouping: handshakes.values.filter(\.isIncoming), by: \.origin)
    guard let most = incoming.values.max(by: { $0.count < $1.count }), most.count > own + 1,
      let oldest = most.min(by: { $0.startedAt < $1.startedAt })
    else { return false }
    oldest.fail(KacheryError(.cancelled, "Too many handshakes are under way."))
    return true
  }

  /// Opens a link to `endpoint`. `done` is called once, on the loop, never before this returns.
  ///
  /// - Parameters:
  ///   - source: the local port that the path leaves from.
  ///   - expected: the node that must answer; nil for any node that proves an ID.
  ///   - timeout: how long it may take to open the path. The handshake that follows has its own limit.
  package func dial(
    to endpoint: Endpoint, over kind: TransportKind = .tcp, from source: DialSource = .listeningPort, expected: NodeID?,
    timeout: Duration, _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt {
    attempt(done) {
      transport(kind)?.dial(to: endpoint, from: source, expected: expected, timeout: timeout, $0)
    }
  }

  /// Sends a probe from the socket on which links by QUIC are accepted; if there is none, it is lost.
  package func send(_ probe: ProbeDatagram) { transports[.quic]?.send(probe) }

  /// Opens further sockets for a round with this node. They close after some seconds.
  package func openSockets(_ opening: SocketOpening, for peer: NodeID) {
    transports[.quic]?.openSockets(opening, for: peer)
  }

  /// Accepts and opens links at the one with this port, as long as it has any, and closes the others.
  package func keepSocket(_ port: UInt16, for peer: NodeID) { transports[.quic]?.keepSocket(port, for: peer) }

  /// Closes them. Idempotent.
  package func closeSockets(for peer: NodeID) { transports[.quic]?.closeSockets(for: peer) }

  /// Opens a link to a node that dials this one at the same moment. `done` is called once, on the loop, never before this
  /// returns. The link's `isDialer` is that of the round's controlling node. Another round with the same node ends without
  /// a call.
  ///
  /// - Parameter own: this node.
  package func punch(
    _ round: PunchRound, own: NodeID, _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt {
    attempt(done) { transport.punch(round, own: own, $0) }
  }

  /// Opens a link by a connection that a relay joins to one of the node at the other end. `done` is called once, on the
  /// loop, never before this returns. The link's `isDialer` is that of the lane's opener.
  ///
  /// - Parameters:
  ///   - endpoint: where the relay listens.
  ///   - expected: the node that must be at the other end.
  ///   - timeout: until the relay has joined the two connections.
  package func join(
    _ preamble: JoinPreamble, at endpoint: Endpoint, expected: NodeID, timeout: Duration,
    _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt {
    attempt(done) { transport.join(preamble, at: endpoint, expected: expected, timeout: timeout, $0) }
  }

  /// An attempt whose path `open` opens. It fails in a later turn if that returns nil.
  private func attempt(
    _ done: @escaping (Result<Link, KacheryError>) -> Void,
    _ open: (@escaping (Result<any CarrierHandshake, KacheryError>) -> Void) -> (any PendingDial)?
  ) -> LinkAttempt {
    let attempt = LinkAttempt()
    attempt.dial = open { [weak self] result in
      if let self { opened(result, by: attempt, done) } else { Self.refuse(result, done) }
    }
    if attempt.dial == nil {
      _ = loop.after(.zero) { if !attempt.isCancelled { done(.failure(Self.closing)) } }
    }
    return attempt
  }

  private func opened(
    _ result: Result<any CarrierHandshake, KacheryError>, by attempt: LinkAttempt,
    _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) {
    attempt.dial = nil
    guard case .success(let handshake) = result, !isClosed else { return Self.refuse(result, done) }
    start(handshake, isIncoming: false, by: attempt, done)
  }

  /// Reports a path that did not open, or that opened when the host was closed.
  private static func refuse(
    _ result: Result<any CarrierHandshake, KacheryError>, _ done: (Result<Link, KacheryError>) -> Void
  ) {
    switch result {
    case .failure(let error): done(.failure(error))
    case .success(let handshake):
      handshake.cancel()
      done(.failure(closing))
    }
  }

  /// Makes a link of a stream that leads to another node through a relay. `done` is called once, on the loop, never
  /// before this returns.
  ///
  /// - Parameters:
  ///   - isDialer: whether this node asked for the link.
  ///   - expected: the node that must be at the other end.
  package func link(
    over pipe: StreamPipe, isDialer: Bool, expected: NodeID, _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt {
    let attempt = LinkAttempt()
    guard let nested, !isClosed, handshakes.count < Self.maximumHandshakes else {
      pipe.close()
      _ = loop.after(.zero) { if !attempt.isCancelled { done(.failure(Self.closing)) } }
      return attempt
    }
    let handshake = nested.handshake(over: pipe, isDialer: isDialer, expected: expected)
    start(handshake, isIncoming: !isDialer, by: attempt, done)
    return attempt
  }

  private func start(
    _ handshake: any CarrierHandshake, isIncoming: Bool, by attempt: LinkAttempt,
    _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) {
    let started = LinkHandshake(loop: loop, handshake: handshake, isIncoming: isIncoming)
    attempt.handshake = started
    start(started) { result in
      attempt.handshake = nil
      if !attempt.isCancelled { done(result) }
    }
  }

  private func start(_ handshake: LinkHandshake, _ done: @escaping (Result<Link, KacheryError>) -> Void) {
    let key = ObjectIdentifier(handshake)
    handshakes[key] = handshake
    handshake.start(timeout: handshakeTime) { [weak self] result in
      self?.handshakes[key] = nil
      if case .success(let link) = result { self?.observe(link) }
      done(result)
    }
  }

  private func observe(_ link: Link) {
    let host = link.remoteEndpoint?.host
    link.onLargePacketsLost = { [weak self] in
      guard let self, let host else { return }
      for transport in allTransports { transport.avoidLargePackets(to: host) }
    }
  }

  private static var closing: KacheryError { KacheryError(.cancelled, "The node is not accepting new links.") }

  /// Stops accepting and fails each handshake. Links stay. Idempotent.
  package func close() {
    isClosed = true
    for transport in allTransports { transport.close() }
    onLink = nil
    onRefused = nil
    for handshake in handshakes.values { handshake.fail(Self.closing) }
  }
}

/// An attempt to open a link.
package final class LinkAttempt {
  fileprivate var dial: (any PendingDial)?
  fileprivate var handshake: LinkHandshake?
  fileprivate private(set) var isCancelled = false

  /// Gives up; nothing is called afterwards. Idempotent.
  package func cancel() {
    isCancelled = true
    dial?.cancel()
    dial = nil
    // The host must learn of it, or the handshake would take up a place until its deadline.
    handshake?.fail(KacheryError(.cancelled, "The attempt was cancelled."))
  }
}

import Diagnostics
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// Links through relays: those that end at this node, and those that it passes on for others. Bound to the loop.
final class RelayedLinks {
  /// Called for each link that another node has opened through a relay.
  var onLink: (Link, _ relay: NodeID) -> Void = { link, _ in link.close() }
  /// The connection with this ID; nil if it has ended.
  var connection: (LinkID) -> LinkConnection? = { _ in nil } {
    didSet { lanes.connection = connection }
  }

  /// Lanes of relayed links that end at this node.
  let lanes: RelayedLanes

  private let host: LinkHost
  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private let server: RelayServer
  private let acceptance: RelayedAcceptance

  /// - Parameter limit: the rate of all relaying for other nodes together.
  init(
    host: LinkHost, driver: CoreDriver, loop: EventLoop, log: Log, limit: RateLimit,
    metrics: RelayMetrics = RelayMetrics()
  ) {
    self.host = host
    self.driver = driver
    self.loop = loop
    self.log = log
    lanes = RelayedLanes(host: host, driver: driver, loop: loop, log: log)
    server = RelayServer(limit: limit, clock: RelayClock(of: loop), metrics: metrics)
    acceptance = RelayedAcceptance(loop: loop)
    server.permits = { [driver] link, target, topic in
      driver.read { $0.relayStatus(from: link, to: target, over: topic) }
    }
    server.traffic = { [driver] topic in driver.read { $0.relayedTraffic(over: topic) } }
    server.linkOf = { [weak self] node in
      guard let self else { return nil }
      return self.driver.read { $0.relayLink(to: node) }.flatMap { self.connection($0) }.map { self.relayLink($0) }
    }
    acceptance.wants = { [driver] request, relay in
      driver.read { $0.accepts(relayedFrom: request.opener, over: request.topic, by: relay) }
    }
    acceptance.wantsLane = { [lanes] in lanes.wants($0, by: $1) }
    acceptance.onToken = { [lanes] in lanes.accept($0, from: $1.opener, by: $2) }
    let pipes = SplicePipes()
    server.lanes.splice = { (one, other) throws(KacheryError) in try LinkHost.splice(one, other, through: pipes) }
    host.onHalf = { [weak server] in server?.lanes.add($0) ?? $0.close() }
    acceptance.onPipe = { [weak self] pipe, request, relay in
      self?.accept(pipe, from: request.opener, by: relay, seenAt: request.seenAt) ?? pipe.close()
    }
  }

  /// A peer has opened a stream of kind `relay` or `relayed`.
  func opened(_ kind: StreamKind, _ stream: any ByteStream, _ first: [UInt8], over connection: LinkConnection) {
    switch kind {
    case .relay: server.serve(stream, first: first, from: relayLink(connection))
    case .relayed: acceptance.accept(stream, first: first, over: connection.id)
    case .control, .fetch, .batch, .feed, .lane: stream.reset()
    }
  }

  /// Opens a link to a node through a relay. `done` is called once, never before this returns.
  func dial(
    to target: NodeID, by relay: NodeID, _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt? {
    guard let route = driver.read({ $0.relayRoute(to: target, by: relay) }), let connection = connection(route.link)
    else {
      _ = loop.after(.zero) { done(.failure(KacheryError(.disconnected, "The relay is not linked."))) }
      return nil
    }
    log.debug("Dialing node \(target.short) through node \(relay.short).")
    var status: RelayStatus?
    let open: StreamOpener = { connection.link.openStream(window: $0) }
    let opening = RelayOpening(to: target, over: route.topic, open: open) { status = $0 }
    return host.link(over: StreamPipe(over: opening, loop: loop), isDialer: true, expected: target) { result in
      if case .success(let link) = result { link.seenAt = opening.seenAt }
      guard case .failure(let error) = result else { return done(result) }
      done(.failure(status.flatMap { $0.problem } ?? error))
    }
  }

  private func accept(_ pipe: StreamPipe, from node: NodeID, by link: LinkID, seenAt places: [Endpoint]) {
    guard let relay = connection(link)?.link.peer else { return pipe.close() }
    _ = host.link(over: pipe, isDialer: false, expected: node) { [weak self, log] result in
      switch result {
      case .success(let link):
        link.seenAt = places
        self?.onLink(link, relay)
      case .failure(let error): log.debug("A link from node \(node.short) through node \(relay.short) failed: \(error)")
      }
    }
  }

  private func relayLink(_ connection: LinkConnection) -> RelayLink {
    let link = connection.link
    return RelayLink(
      id: connection.id, node: link.peer, roundTripTime: { [weak link] in link?.roundTripTime },
      open: { window in link.openStream(window: window) }, seenAt: driver.read { $0.seenAt(link.peer) })
  }

  /// Gives up every stream.
  func stop() {
    server.stop()
    acceptance.stop()
    lanes.stop()
  }
}

extension RelayStatus {
  /// Why there is no way through the relay; nil if there is one.
  var problem: KacheryError? {
    let reason: String? =
      switch self {
      case .granted: nil
      case .notLinked: "The relay has no link to the node."
      case .refused: "The node does not accept a link through the relay, or did not answer."
      case .limitReached: "The relay has as many relayed links as it accepts."
      case .notPermitted: "The relay does not know that the two nodes have a channel in common."
      case .doesNotRelay: "The node does not relay."
      case .nested: "The relay reaches the node only through another relay."
      }
    return reason.map { KacheryError(.disconnected, $0) }
  }
}

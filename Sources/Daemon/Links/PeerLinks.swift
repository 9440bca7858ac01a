import Diagnostics
import Discovery
import EventLoop
import Links
import NodeCore
import Primitives
import QUIC
import TLS
import Wire

/// The node's links, and its attempts to open more. Bound to the loop.
final class PeerLinks {
  /// Most accepted links whose peers have not shown their purpose.
  private static let maximumIncoming = 256
  /// Most lanes that this node may have to all other nodes.
  private static let maximumLanes = 64

  /// Called when a peer opens a fetch or batch stream.
  var onStream: (StreamKind, any ByteStream, _ first: [UInt8], LinkID, LaneID) -> Void = { _, stream, _, _, _ in
    stream.reset()
  }
  /// Called when a link, and with it every stream that it carried, has ended.
  var onClosed: (LinkID) -> Void = { _ in }

  private let driver: CoreDriver
  let loop: EventLoop
  private let log: Log
  let host: LinkHost
  private var links: [LinkID: LinkConnection] = [:]
  private var incoming: [ObjectIdentifier: IncomingLink] = [:]
  private let dials: LinkDials
  private let punches: PunchRounds
  private let paths: NodePaths
  private let relayed: RelayedLinks
  /// The rate of all relaying for other nodes together.
  let relayLimit: RateLimit
  private let workShares = WorkShares()
  private var laneDialers: [LinkID: LaneDialer] = [:]
  private let maximumAcceptedLanes: Int
  private var lastLink: UInt64 = 0
  private var isStopped = false

  /// - Parameters:
  ///   - quic: the same identity for links by QUIC; nil if there are none.
  ///   - maximumAcceptedLanes: the most lanes of all links together while others still open some: each takes a
  ///     descriptor, and identities cost nothing.
  ///   - relayLimit: the rate of all relaying for other nodes together.
  ///   - proxies: dials the hosts that are to be reached through a proxy.
  init(
    _ identity: TLSIdentity, quic: QUICIdentity? = nil, driver: CoreDriver, loop: EventLoop, log: Log,
    maximumAcceptedLanes: Int = 1_024,
    relayLimit: RateLimit = RateLimit(nil), relayMetrics: RelayMetrics = RelayMetrics(),
    proxies: ProxyDialer = ProxyDialer()
  ) {
    self.maximumAcceptedLanes = maximumAcceptedLanes
    self.relayLimit = relayLimit
    self.driver = driver
    self.loop = loop
    self.log = log
    host = LinkHost(loop: loop, identity: identity, quic: quic, proxies: proxies)
    paths = NodePaths(loop: loop)
    paths.onMeasured = { [driver] id, measured in
      driver.input { $0.linkMeasured(id, measured, at: $1) }
    }
    relayed = RelayedLinks(host: host, driver: driver, loop: loop, log: log, limit: relayLimit, metrics: relayMetrics)
    dials = LinkDials(host: host, relayed: relayed, loop: loop, log: log)
    punches = PunchRounds(host: host, driver: driver, loop: loop, log: log)
    punches.onOpened = { [weak self] in self?.opened($0, dial: nil, accepted: $1, path: .punched) ?? $0.close() }
    dials.onFailed = { [driver] id, problem in driver.input { $0.dialFailed(id, problem, at: $1) } }
    dials.onOpened = { [weak self] in
      self?.opened($0.link, dial: $0.dial, accepted: $0.accepted, by: $0.relay) ?? $0.link.close()
    }
    relayed.connection = { [weak self] in self?.links[$0] }
    relayed.lanes.onLink = { [weak self] in self?.accepted($0, isLane: true) ?? $0.close() }
    relayed.onLink = { [weak self] link, relay in self?.accepted(link, by: relay) ?? link.close() }
    host.onLink = { [weak self] link in self?.accepted(link) }
    host.onProbe = { bytes, sender, socket in
      driver.input { $0.receivedProbe(bytes, from: sender, on: socket, at: $1) }
    }
    host.onRefused = { endpoint, error in
      log.debug("A connection from \(endpoint?.description ?? "an unknown address") failed: \(error)")
    }
  }

  /// Accepts links on this address, or on any IPv4 address if it is `::` and the kernel has no IPv6.
  ///
  /// - Returns: the address, with the port that the kernel chose if `port` is 0.
  func listen(host name: String, port: UInt16, over kind: TransportKind = .tcp) throws(KacheryError) -> Endpoint {
    do throws(KacheryError) { return try host.listen(host: name, port: port, over: kind) } catch {
      guard name == "::", error.code != .alreadyRunning else { throw error }
      return try host.listen(host: "0.0.0.0", port: port, over: kind)
    }
  }

  func perform(_ effect: LinkEffect) {
    switch effect {
    case .dial(let id, let address, let expected): dials.dial(id, address, expected)
    case .cancelDial(let id): dials.cancel(id)
    case .observe(let id, let endpoint, let node): dials.dial(id, .tcp(endpoint), node, from: .anyPort)
    case .send(let link, let message): send(message, to: link)
    case .close(let link, let goodbye): links[link]?.close(goodbye)
    case .feedRequest(let link, let request): links[link]?.feeds.ask(request)
    case .feedAnswer(let link, let answer): links[link]?.feeds.answer(answer)
    case .feedBytesReleased(let link, let count): links[link]?.feeds.released(count)
    case .prefer(let link): paths.prefer(link)
    case .abandon(let link): paths.abandon(link)
    case .punch(let round): punches.punch(round)
    case .cancelPunch(let peer): punches.cancel(peer)
    case .probe(let datagram): host.send(datagram)
    case .openSockets(let peer, let opening): host.openSockets(opening, for: peer)
    case .keepSocket(let peer, let port): host.keepSocket(port, for: peer)
    case .closeSockets(let peer): host.closeSockets(for: peer)
    case .dialFrom(let port, let id, let endpoint, let node): dials.dial(id, .quic(endpoint), node, from: .socket(port))
    }
  }

  func send(_ message: ControlMessage, to link: LinkID) { links[link]?.send(message) }

  /// The lanes to the node at the other end of this link; nil once the link has ended.
  func lanes(_ id: LinkID) -> (any Lanes)? { paths.lanes(id) }

  /// Whether what is requested over this link may still come.
  func isCarrying(_ id: LinkID) -> Bool { paths.lanes(id)?.isCarrying(id) ?? false }

  /// The link under which everything that the node at the other end requests is counted.
  func account(_ id: LinkID) -> LinkID { paths.account(id) }

  /// The node of a link, or of the link under which a node is counted; nil if neither exists.
  func node(_ id: LinkID) -> NodeID? { paths.node(id) }

  /// With whom the node at the other end shares what strangers may take.
  func origin(_ id: LinkID) -> PeerOrigin { links[id]?.origin ?? .unknown }

  /// Sends a message over this link, or over another one to its node if it has ended.
  func sendToNode(_ message: ControlMessage, of id: LinkID) {
    send(message, to: paths.messageLink(id))
  }

  /// The lanes of the link itself.
  func ownLanes(_ id: LinkID) -> LinkLanes? { links[id]?.lanes }

  /// What was measured on a link; nil once it has ended.
  func measured(_ id: LinkID) -> (traffic: LinkTraffic, roundTrip: Duration?, lanes: Int)? {
    links[id].map { ($0.traffic, $0.link.recentRoundTripTime, $0.lanes.count) }
  }

  /// Says goodbye to every peer, and opens and accepts no more links.
  func stop() {
    isStopped = true
    paths.stop()
    relayed.stop()
    host.close()
    dials.stop()
    punches.stop()
    for dialer in laneDialers.values { dialer.close() }
    for link in incoming.values { link.close() }
    for connection in links.values { connection.close(Goodbye(.stopping, "the node is stopping")) }
  }

  // MARK: New links

  /// - Parameters:
  ///   - relay: the node through which the link leads; nil if it is direct.
  ///   - isLane: whether it can only be a lane.
  private func accepted(_ link: Link, by relay: NodeID? = nil, isLane: Bool = false) {
    guard !isStopped, incoming.count < Self.maximumIncoming else { return link.close() }
    let key = ObjectIdentifier(link)
    incoming[key] = IncomingLink(link, loop: loop) { [weak self] purpose in
      guard let self else { return link.close() }
      incoming[key] = nil
      switch purpose {
      case nil: log.debug("The link from node \(link.peer.short) ended before its purpose was known.")
      case .control where isLane: link.close()
      case .control(let stream, let first): opened(link, dial: nil, accepted: (stream, first), by: relay)
      case .lane(let request): add(lane: link, request)
      }
    }
  }

  private func add(lane: Link, _ request: LaneRequest) {
    guard !isStopped, laneCount < maximumAcceptedLanes,
      let main = links.values.first(where: { $0.isNamed(by: request, from: lane.peer) })
    else { return lane.close() }
    main.adopt(lane: lane)
  }

  private func opened(
    _ link: Link, dial: DialID?, accepted: (control: any ByteStream, first: [UInt8])? = nil, by relay: NodeID? = nil,
    path: PathKind? = nil
  ) {
    guard !isStopped else { return link.close() }
    lastLink += 1
    let id = LinkID(number: lastLink)
    let isQUIC = link.passage == .datagrams
    let remote = relay.map { Address.relay($0) } ?? link.remoteEndpoint.map { isQUIC ? .quic($0) : .tcp($0) }
    let facts = LinkFacts(
      peer: link.peer, dial: dial, binding: link.channelBinding, remote: remote, path: path ?? PathKind(link.passage),
      seenAt: link.seenAt)
    let connection = LinkConnection(
      id: id, link: link, loop: loop, by: relay, workShares: workShares, origin: facts.origin)
    links[id] = connection
    paths.add(connection)
    listen(to: connection)
    driver.input { $0.linkOpened(id, facts, at: $1) }
    connection.start(accepted)
  }

  private func listen(to connection: LinkConnection) {
    let (id, link, driver) = (connection.id, connection.link, driver)
    connection.onMessage = { message in driver.input { $0.received(message, on: id, at: $1) } }
    connection.onBulkStream = { [weak self] kind, stream, first, lane in
      guard let self else { return stream.reset() }
      onStream(kind, stream, first, id, lane)
    }
    connection.onRelayStream = { [weak self, weak connection] kind, stream, first in
      guard let self, let connection else { return stream.reset() }
      relayed.opened(kind, stream, first, over: connection)
    }
    connection.feeds.onRequest = { request in driver.input { core, _ in core.received(request, on: id) } }
    connection.feeds.onAnswer = { answer in driver.input { $0.received(answer, on: id, at: $1) } }
    connection.feeds.onMessagesLeft = { driver.input { core, _ in core.feedMessagesLeft(id) } }
    let dialer = LaneDialer(for: connection, host: host, relayed: relayed.lanes, loop: loop) { [weak self] in
      self?.mayOpenLane ?? false
    }
    laneDialers[id] = dialer
    connection.lanes.onWanted = { [weak dialer] in dialer?.open($0) }
    connection.onLanesWanted = { [weak dialer] in dialer?.openForPeer($0) }
    link.onSilence = { [log] isSilent in
      log.debug("Node \(link.peer.short) \(isSilent ? "does not answer" : "answers again").")
      driver.input { isSilent ? $0.linkSilent(id, at: $1) : $0.linkHeard(id, at: $1) }
    }
    link.onClose = { [weak self, log] error in
      if let error { log.debug("The link to node \(link.peer.short) broke: \(error)") }
      self?.closed(connection)
      driver.input { $0.linkClosed(id, at: $1) }
    }
  }

  private func closed(_ connection: LinkConnection) {
    laneDialers.removeValue(forKey: connection.id)?.close()
    connection.lanes.close()
    links[connection.id] = nil
    paths.remove(connection)
    onClosed(connection.id)
  }

  private var mayOpenLane: Bool {
    guard !isStopped else { return false }
    return laneCount + laneDialers.values.reduce(0) { $0 + $1.count } < Self.maximumLanes
  }

  private var laneCount: Int { links.values.reduce(0) { $0 + $1.lanes.count } }
}

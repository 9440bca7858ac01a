package import Primitives
package import Wire

/// Decides when to connect directly to which relayed node: one `ReachSession` for each, within the limits of
/// `PunchBudget`.
package struct PunchSchedule: Sendable {
  /// What the schedule requests.
  package enum Action: Hashable, Sendable {
    case send(LinkID, ControlMessage)
    /// Carry this round out now; reply with `failed` or `linked`.
    case punch(PunchRound)
    /// Stop the round with this node.
    case cancel(NodeID)
    /// Send this datagram.
    case probe(ProbeDatagram)
    /// Open further sockets for the round with this node.
    case openSockets(NodeID, SocketOpening)
    /// Accept connections at the one with this port, and close the others.
    case keepSocket(NodeID, UInt16)
    /// Close them.
    case closeSockets(NodeID)
    /// The way to this endpoint is proved: open a connection by QUIC; reply with `dialFailed` or `linked`.
    case dial(ProvedPlace)
    /// Dial this node's addresses no more for now: a round is about to dial them.
    case quiet(NodeID)
    /// Learn which port the NAT chooses next; reply with `observed`.
    case observe
  }

  /// Where a round over UDP has led.
  package struct ProvedPlace: Hashable, Sendable {
    package let peer: NodeID
    package let endpoint: Endpoint
    /// The port of the further socket that it leads from; nil for the usual socket.
    package let source: UInt16?
    let session: UInt32
    let round: UInt8
  }

  private let node: NodeID
  private var shared: SharedReach
  private var sessions: [NodeID: ReachSession] = [:]
  private var deadlines = Deadlines<NodeID>()

  /// A schedule of the node with this ID.
  package init(of node: NodeID, random: some RandomNumberGenerator & Sendable) {
    self.node = node
    shared = SharedReach(probes: ProbeRounds(of: node, random: random), random: random)
  }

  /// Sets what this node says about itself.
  package mutating func setOwn(_ own: OwnSide, at now: Instant) -> [Action] {
    guard own != shared.own else { return [] }
    shared.own = own
    for peer in sessions.keys.sorted() { change(peer) { $0.ownChanged(&$1, at: now) } }
    return takeActions()
  }

  // MARK: Links

  /// The node is linked only through relays.
  ///
  /// - Parameter links: the relayed links that can be used, best first.
  package mutating func want(_ peer: NodeID, over links: [ReachLink], at now: Instant) -> [Action] {
    guard let best = links.first else { return [] }
    if sessions[peer] == nil {
      sessions[peer] = ReachSession(peer, isControlling: node < peer, over: best)
      change(peer) { $0.begin(&$1, at: now) }
    }
    change(peer) { session, shared in
      if let link = links.first(where: { $0.id == session.link.id }) {
        session.update(link, &shared, at: now)
      } else {
        session.move(to: best, &shared, at: now)
      }
      session.lost(&shared, at: now)
    }
    return takeActions()
  }

  /// A direct link to the node is up, or about to be.
  ///
  /// - Parameter place: the address at its other end, if a round has led to it.
  package mutating func linked(_ peer: NodeID, at place: Address? = nil, now: Instant) -> [Action] {
    change(peer) { $0.linked(at: place, &$1, at: now) }
    return takeActions()
  }

  /// The node is not linked any more, or has no relayed link.
  package mutating func forget(_ peer: NodeID) -> [Action] {
    change(peer) { $0.cancel(&$1) }
    sessions[peer] = nil
    shared.active.remove(peer)
    shared.probes.forget(peer)
    deadlines.clear(peer)
    return takeActions()
  }

  // MARK: Messages

  /// A message of the node, to which there is no direct link, has arrived on this relayed link.
  package mutating func received(
    _ message: ControlMessage, from peer: NodeID, over link: ReachLink, at now: Instant
  ) -> [Action] {
    if sessions[peer] == nil { sessions[peer] = ReachSession(peer, isControlling: node < peer, over: link) }
    change(peer) { session, shared in
      guard session.allowance.take(at: now) else { return }
      switch message {
      case .reach(let reach): session.take(reach, over: link, &shared, at: now)
      case .punch(let punch) where punch.session == session.number && punch.round > 1:
        session.agree(on: punch, &shared, at: now)
      case .punchStart(let start) where start.session == session.number:
        session.follow(start.round, &shared, at: now)
      case .punchEnd(let end) where end.session == session.number: session.ended(end.outcome, &shared, at: now)
      default: break
      }
    }
    return takeActions()
  }

  /// A round over TCP has led to no connection.
  package mutating func failed(_ peer: NodeID, session: UInt32, round: UInt8, at now: Instant) -> [Action] {
    change(peer) { if $0.number == session { $0.failed(round, by: .tcp, &$1, at: now) } }
    return takeActions()
  }

  /// No connection by QUIC has come up where a round over UDP has led.
  package mutating func dialFailed(_ place: ProvedPlace, at now: Instant) -> [Action] {
    change(place.peer) { if $0.number == place.session { $0.failed(place.round, by: .udp, &$1, at: now) } }
    return takeActions()
  }

  // MARK: Datagrams

  /// A datagram of a round has arrived, from anyone.
  ///
  /// - Parameters:
  ///   - bytes: those of `probe`.
  ///   - source: the port of the further socket at which it has arrived; nil for the usual socket.
  package mutating func received(
    _ probe: Probe, _ bytes: [UInt8], from sender: Endpoint, at source: UInt16? = nil, now: Instant
  ) -> [Action] {
    let route = ProbeRound.Route(endpoint: sender, source: source)
    perform(shared.probes.received(probe, bytes, by: route, at: now), at: now)
    return takeActions()
  }

  /// Whether datagrams of this node have come from there in the round that takes place.
  package func hasMet(_ peer: NodeID, at endpoint: Endpoint) -> Bool { shared.probes.hasMet(peer, at: endpoint) }

  private mutating func perform(_ requests: [ProbeRounds.Request], at now: Instant) {
    for request in requests {
      let (session, round) = (request.session, request.round)
      switch request.step {
      case .send(let datagram): shared.actions.append(.probe(datagram))
      case .open(let opening): shared.actions.append(.openSockets(request.peer, opening))
      case .keep(let port): shared.actions.append(.keepSocket(request.peer, port))
      case .dial(let route):
        let place = ProvedPlace(
          peer: request.peer, endpoint: route.endpoint, source: route.source, session: session, round: round)
        shared.actions.append(.dial(place))
      case .fail: change(request.peer) { if $0.number == session { $0.failed(round, by: .udp, &$1, at: now) } }
      }
    }
  }

  /// Where this node was seen just now, from a port that it had not used; nil if it was not seen.
  package mutating func observed(_ endpoint: Endpoint?, at now: Instant) -> [Action] {
    for peer in sessions.keys.sorted() { change(peer) { $0.observed(endpoint, &$1, at: now) } }
    return takeActions()
  }

  // MARK: Time

  /// When to call `wake` next.
  package var wakeAt: Instant? { [deadlines.next, shared.probes.wakeAt].compactMap { $0 }.min() }

  /// Whether the stored deadlines match a scan of all sessions. Tests check this after each input.
  package var keepsItsDeadlines: Bool {
    deadlines.next == sessions.values.compactMap(\.deadline).min()
      && sessions.allSatisfy { deadlines[$0.key] == $0.value.deadline }
      && shared.active == Set(sessions.filter(\.value.isActive).keys)
  }

  /// Does what is due.
  package mutating func wake(at now: Instant) -> [Action] {
    for peer in deadlines.due(at: now) { change(peer) { $0.wake(&$1, at: now) } }
    perform(shared.probes.wake(at: now), at: now)
    return takeActions()
  }

  private mutating func change(_ peer: NodeID, _ body: (inout ReachSession, inout SharedReach) -> Void) {
    guard var session = sessions[peer] else { return }
    body(&session, &shared)
    sessions[peer] = session
    deadlines.set(peer, session.deadline)
    if session.isActive { shared.active.insert(peer) } else { shared.active.remove(peer) }
  }

  private mutating func takeActions() -> [Action] {
    defer { shared.actions = [] }
    return shared.actions + shared.probes.takeClosing().map { .closeSockets($0) }
  }
}

extension ReachSession {
  /// The other node asks for a direct connection, or answers.
  fileprivate mutating func take(
    _ reach: Reach, over link: ReachLink, _ shared: inout SharedReach, at now: Instant
  ) {
    guard !reach.ways.isDisjoint(with: shared.own.ways) else { return }
    let other = Other(reach, isOpen: isControlling && reach.session == number)
    guard !isControlling else {
      switch phase {
      case .asking where reach.session == number || reach.session == 0:
        answered(other, isAnswer: reach.session == number, &shared, at: now)
      case .idle, .resting:
        self.link = link
        begin(&shared, at: now)
      // It has begun, or will answer this node's own question.
      case .asking, .starting, .punching, .agreeing, .linked: break
      }
      return
    }
    guard reach.session != 0 else { return }
    if phase == .asking, reach.session == number {
      return replace(other)
    }
    if case .linked = phase { return }
    guard shared.hasRoom(for: peer) else {
      shared.actions.append(.send(link.id, .punchEnd(PunchEnd(session: reach.session, round: 0, .notNow))))
      return
    }
    join(reach.session, other, over: link, &shared, at: now)
  }
}

import Discovery
package import Primitives
import Traversal
import Wire

/// Direct links to nodes that are reached only through relays: both dial each other at the same moment.
extension NodeCore {
  /// How long the observation of this node's next outside port may take.
  static let observationTime: Duration = .seconds(3)

  /// An attempt to learn which outside port the NAT chooses next.
  struct Observation: Sendable {
    let dial: DialID
    let deadline: Instant
  }

  // MARK: Input

  /// A round with the node has ended without a connection.
  package mutating func punchFailed(_ peer: NodeID, session: UInt32, number: UInt8, at now: Timestamps) {
    perform(punches.failed(peer, session: session, round: number, at: now.instant), at: now)
  }

  /// A node wants to connect directly, or a session with it goes on. Without need for one the message is ignored.
  mutating func receivedReach(_ message: ControlMessage, from peer: Peer, at now: Timestamps) {
    guard configuration.punches, peer.facts.path == .relayed, peer.has(Hello.punching),
      !peers.hasDirectLink(to: peer.node)
    else { return }
    perform(punches.received(message, from: peer.node, over: reachLink(peer), at: now.instant), at: now)
  }

  /// A datagram of a round has arrived, sent by anyone.
  mutating func receivedOfRound(
    _ probe: Probe, _ bytes: [UInt8], from sender: Endpoint, at source: UInt16?, now: Timestamps
  ) {
    perform(punches.received(probe, bytes, from: sender, at: source, now: now.instant), at: now)
  }

  /// An attempt to connect has failed.
  mutating func dialFailed(_ dial: DialID, ofRoundAt now: Timestamps) {
    guard let place = provedPlaces.removeValue(forKey: dial) else { return }
    perform(punches.dialFailed(place, at: now.instant), at: now)
  }

  // MARK: Links

  /// The facts about a link that has opened, with its kind of path if a round over UDP has led to it.
  mutating func withPunchedPath(_ facts: LinkFacts) -> LinkFacts {
    let isDialed = facts.dial.map { provedPlaces.removeValue(forKey: $0) != nil } ?? false
    let isAccepted = facts.dial == nil && facts.remote?.quicEndpoint.map { punches.hasMet(facts.peer, at: $0) } ?? false
    guard isDialed || isAccepted else { return facts }
    return LinkFacts(
      peer: facts.peer, dial: facts.dial, binding: facts.binding, remote: facts.remote, path: .punched,
      seenAt: facts.seenAt)
  }

  /// A link to the node has come, gone, fallen silent or been heard again.
  mutating func reviewPunching(of other: NodeID, at now: Timestamps) {
    reviewStandby(of: other, at: now)
    guard configuration.punches else { return }
    guard !peers.hasDirectLink(to: other) else {
      return perform(punches.linked(other, now: now.instant), at: now)
    }
    let links = peers.relayedLinks(to: other).filter { $0.has(Hello.punching) }.map { reachLink($0) }
    guard !links.isEmpty else { return perform(punches.forget(other), at: now) }
    perform(punches.want(other, over: links, at: now.instant), at: now)
  }

  /// A round has led to a link, whose peer has yet to say hello.
  mutating func punched(_ facts: LinkFacts, at now: Timestamps) {
    perform(punches.linked(facts.peer, at: facts.remote, now: now.instant), at: now)
  }

  private func reachLink(_ peer: Peer) -> ReachLink {
    let links = peers.links(to: peer.node).compactMap { peers[$0] }
    let seen = links.compactMap { $0.facts.path == .relayed ? nil : $0.facts.remote?.tcpEndpoint }
    let throughSameRelay = links.filter { $0.facts.path == .relayed && $0.facts.remote == peer.facts.remote }
    return ReachLink(
      id: peer.link, binding: peer.facts.binding, seen: peer.facts.seenAt + seen,
      roundTrip: throughSameRelay.compactMap { $0.measured?.roundTrip }.min(),
      prefersQUIC: configuration.prefersQUIC || peer.has(Hello.prefersQUIC),
      carriesWork: links.contains { $0.facts.path == .relayed && $0.measured?.showsWork ?? false })
  }

  // MARK: This node

  /// The ways to reach this node directly may have changed.
  mutating func updateOwnSide(at now: Timestamps) {
    guard configuration.punches else { return }
    let own = introductions.ownSide(isUDPBlocked: udpObservers.isBlocked, guessesPorts: configuration.guessesPorts)
    perform(punches.setOwn(own, at: now.instant), at: now)
  }

  /// Dials a bootstrap node again, from a port that was not used before: it says from which outside port.
  private mutating func observe(at now: Timestamps) {
    guard observation == nil else { return }
    let observer = peers.linked.last { peer in
      peer.isBootstrap && peer.facts.dial != nil && peer.facts.path != .relayed && peer.allowsSeveral
    }
    guard let observer, let endpoint = observer.facts.remote?.tcpEndpoint, observations.take(at: now.instant) else {
      return perform(punches.observed(nil, at: now.instant), at: now)
    }
    let dial = dials.newAttempt()
    observation = Observation(dial: dial, deadline: now.instant + Self.observationTime)
    emit(.link(.observe(dial, endpoint, expected: observer.node)))
  }

  /// The observation has ended: the node at its other end has seen this one there.
  mutating func observed(_ endpoint: Endpoint?, at now: Timestamps) {
    observation = nil
    perform(punches.observed(endpoint, at: now.instant), at: now)
  }

  /// Does the work that is due.
  mutating func wakePunches(at now: Timestamps) {
    perform(punches.wake(at: now.instant), at: now)
    guard let due = observation, due.deadline <= now.instant else { return }
    emit(.link(.cancelDial(due.dial)))
    observed(nil, at: now)
  }

  private mutating func perform(_ actions: [PunchSchedule.Action], at now: Timestamps) {
    for action in actions {
      switch action {
      case .send(let link, let message): if peers.active(link) != nil { emit(.link(.send(link, message))) }
      case .punch(let round): emit(.link(.punch(round)))
      case .cancel(let peer): emit(.link(.cancelPunch(peer)))
      case .quiet(let peer): for target in dialTargets(of: peer) { perform(dials.quiet(target, now: now.instant)) }
      case .observe: observe(at: now)
      case .probe(let datagram): emit(.link(.probe(datagram)))
      case .dial(let place):
        let dial = dials.newAttempt()
        provedPlaces[dial] = place
        guard let source = place.source else {
          emit(.link(.dial(dial, .quic(place.endpoint), expected: place.peer)))
          break
        }
        emit(.link(.dialFrom(source, dial, place.endpoint, expected: place.peer)))
      case .openSockets(let peer, let opening): emit(.link(.openSockets(peer, opening)))
      case .keepSocket(let peer, let port): emit(.link(.keepSocket(peer, port)))
      case .closeSockets(let peer): emit(.link(.closeSockets(peer)))
      }
    }
  }
}

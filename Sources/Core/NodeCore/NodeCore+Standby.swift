import Discovery
import Primitives
import Wire

/// The second relayed link to a node that is reached only through relays.
extension NodeCore {
  /// The links to the node have changed, or the relays have. The node that decides which link is used opens it.
  mutating func reviewStandby(of other: NodeID, at now: Timestamps) {
    guard decides(for: other), let peer = peers.peer(of: other), peer.allowsSeveral, !peers.hasDirectLink(to: other)
    else { return endStandby(of: other) }
    let used = peers.relayedLinks(to: other).compactMap(\.facts.remote?.relayNode)
    cancel(standby.review(other, used: Set(used), relays: relaysInOrder(to: other, at: now), at: now.instant))
  }

  mutating func endStandby(of other: NodeID) { cancel(standby.end(other)) }

  /// The relays that the node's records name and that answer: those for everything first, of them the nearest.
  private func relaysInOrder(to other: NodeID, at now: Timestamps) -> [NodeID] {
    let near = relays(to: other, at: now).compactMap { relay -> (kind: Int, roundTrip: Duration, relay: NodeID)? in
      guard let peer = peers.peer(of: relay), !peer.isSilent else { return nil }
      let kind = introductions.relays.isForMessagesOnly(relay) ? 1 : 0
      return (kind, peer.measured?.roundTrip ?? .seconds(3_600), relay)
    }
    return near.sorted { ($0.kind, $0.roundTrip, $0.relay) < ($1.kind, $1.roundTrip, $1.relay) }.map(\.relay)
  }

  /// Whether the link is kept although another one is used: it is the oldest through its relay, while no link is direct.
  func isStandby(_ peer: Peer) -> Bool {
    guard peer.facts.path == .relayed, !peers.hasDirectLink(to: peer.node) else { return false }
    let same = peers.relayedLinks(to: peer.node).filter { $0.facts.remote == peer.facts.remote }
    return same.first?.link == peer.link && !same.contains { $0.link == peers.link(of: peer.node) }
  }

  /// Does the work that is due.
  mutating func wakeStandby(at now: Timestamps) {
    for attempt in standby.wake(at: now.instant) {
      let dial = dials.newAttempt()
      standby.begun(dial, for: attempt.peer)
      emit(.link(.dial(dial, .relay(attempt.relay), expected: attempt.peer)))
    }
  }

  private mutating func cancel(_ dial: DialID?) {
    if let dial { emit(.link(.cancelDial(dial))) }
  }
}

extension Address {
  /// The relay through which the address leads; nil for every other transport.
  var relayNode: NodeID? { if case .relay(let node) = self { node } else { nil } }
}

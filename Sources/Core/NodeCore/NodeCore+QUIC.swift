import Discovery
import Primitives

/// Links by QUIC beside those by TCP.
extension NodeCore {
  /// Dials the node at the other end of a link by QUIC as well, if that is better and was not tried beside this link.
  ///
  /// Only the end that has dialed by TCP does so: it knows that its packets arrive.
  mutating func tryQUIC(beside link: LinkID, at now: Timestamps) {
    guard configuration.usesQUIC, let peer = peers.active(link), peer.facts.dial != nil, !peer.hasTriedQUIC,
      !peer.proven.isEmpty, peer.allowsSeveral, let dialed = peer.facts.remote?.tcpEndpoint,
      peer.facts.path.showsAddresses, peers.lacksQUIC(peer.node)
    else { return }
    peers.change(link) { $0.hasTriedQUIC = true }
    let offered = introductions.choice.quicAddresses(peer.hello?.addresses ?? [])
    // It answers where it has answered before.
    let place = offered.first { $0.quicEndpoint?.host == dialed.host } ?? offered.first
    guard let place else { return }
    emit(.link(.dial(dials.newAttempt(), place, expected: peer.node)))
  }
}

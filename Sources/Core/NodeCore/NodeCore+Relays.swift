import Discovery
package import Primitives
package import Wire

/// Links through other nodes: which relays this node uses, and which links it passes on.
extension NodeCore {
  /// Most relayed links to one node: the one in use, one in reserve, and one that is lost and has yet to end.
  private static let maximumRelayedLinks = 3

  // MARK: At the ends

  /// A node has said hello: if it is a bootstrap node that relays, this node can be reached through it, and can reach
  /// others.
  mutating func relayAppeared(_ peer: Peer, at now: Timestamps) {
    guard isRelay(peer), introductions.setRelay(peer.node, isLinked: true) else { return }
    addressesChanged(at: now)
  }

  /// The last link to a node has ended.
  mutating func relayLeft(_ node: NodeID, at now: Timestamps) {
    guard introductions.setRelay(node, isLinked: false) else { return }
    addressesChanged(at: now)
  }

  private func isRelay(_ peer: Peer) -> Bool {
    peer.isBootstrap && peer.facts.path != .relayed && peer.has(Hello.relays)
  }

  /// By which link and channel a relay leads to a node; nil if there is no way.
  package func relayRoute(to target: NodeID, by relay: NodeID) -> (link: LinkID, topic: Topic)? {
    guard introductions.isRelay(relay), let link = peers.link(of: relay) else { return nil }
    let topics = introductions.topics(of: target)
    let channel = membership.inOrder.first { topics.contains($0.topic) && $0.connects(node, target) }
    return channel.map { (link, $0.topic) }
  }

  /// Whether this node accepts a link from `opener` through the relay at the other end of `link`.
  package func accepts(relayedFrom opener: NodeID, over topic: Topic, by link: LinkID) -> Bool {
    guard let relay = peers.active(link), introductions.isRelay(relay.node), opener != node, opener != relay.node,
      membership[topic]?.connects(opener, node) ?? false
    else { return false }
    let relayed = peers.links(to: opener).count { peers[$0]?.facts.path == .relayed }
    return relayed < Self.maximumRelayedLinks
  }

  /// Whether this node accepts a lane of its link to `opener` through the relay at the other end of `link`: only if the two
  /// have a link through that relay.
  package func accepts(laneFrom opener: NodeID, over topic: Topic, by link: LinkID) -> Bool {
    guard let relay = peers.active(link), introductions.isRelay(relay.node),
      membership[topic]?.connects(opener, node) ?? false
    else { return false }
    return peers.activeLinks(to: opener).contains { peers[$0]?.facts.remote == .relay(relay.node) }
  }

  // MARK: At the relay

  /// Whether this node passes a link, or joins lanes, from the node at the other end of `link`.
  ///
  /// Both nodes must have named the channel's topic. A node that has not gets the same answer whether or not the target is
  /// linked.
  package func relayStatus(from link: LinkID, to target: NodeID, over topic: Topic) -> RelayStatus {
    guard configuration.relays else { return .doesNotRelay }
    guard let opener = peers.active(link), opener.known.contains(topic), opener.node != target else {
      return .notPermitted
    }
    guard let other = peers.peer(of: target), other.known.contains(topic) else { return .notLinked }
    return opener.facts.path == .relayed || other.facts.path == .relayed ? .nested : .granted
  }

  /// Where this node sees another one: it tells the node at the other end of a relayed link.
  package func seenAt(_ node: NodeID) -> [Endpoint] {
    let facts = peers.activeLinks(to: node).compactMap { peers[$0]?.facts }.filter { $0.path != .relayed }
    return Array(facts.compactMap { $0.remote?.tcpEndpoint }.prefix(Int(RelayFrame.endpoints)))
  }

  /// The link over which a node is asked whether it accepts a relayed one.
  package func relayLink(to target: NodeID) -> LinkID? { peers.link(of: target) }
}

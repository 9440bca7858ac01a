package import Discovery
package import Primitives
package import Wire

/// Links through other nodes: which relays this node uses, and which links it passes on.
extension NodeCore {
  /// Most relayed links to one node: the one in use, one in reserve, and one that is lost and has yet to end.
  private static let maximumRelayedLinks = 3

  // MARK: At the ends

  /// The links to a node have changed, or what it says of itself: this node may be reached through it, and reach others.
  mutating func reviewRelay(_ node: NodeID, at now: Timestamps) {
    let isBootstrap = peers.directLinks(to: node).contains { $0.isBootstrap && $0.has(Hello.relays) }
    if introductions.relays.setBootstrap(node, isBootstrap) { addressesChanged(at: now) }
    guard setRelaying(of: node) else { return }
    guard let later = introductions.relays.postponed(at: now.instant) else { return addressesChanged(at: now) }
    introductions.announceAt = introductions.announceAt.map { min($0, later) } ?? later
  }

  /// - Returns: whether anything has changed.
  private mutating func setRelaying(of node: NodeID) -> Bool {
    var channels: [Topic: RelayedTraffic] = [:]
    for link in peers.directLinks(to: node) { channels.merge(membership.traffic(relayedBy: link)) { max($0, $1) } }
    return introductions.relays.setMember(node, channels)
  }

  /// The channels or their documents have changed: members may relay that did not, and the other way round. The caller
  /// announces this node.
  mutating func reviewRelays() {
    for peer in peers.linked { _ = setRelaying(of: peer.node) }
  }

  /// Tells a peer for which channels this node relays, if that has changed.
  mutating func offerRelaying(to link: LinkID) {
    guard configuration.relays, let peer = peers.active(link), peer.facts.path != .relayed else { return }
    let offers = membership.relayOffers(to: peer)
    guard offers != peer.toldOffers else { return }
    peers.change(link) { $0.toldOffers = offers }
    emit(.link(.send(link, .relaying(offers))))
  }

  /// The relays that lead to a node, according to its records: those for everything first.
  func relays(to other: NodeID, at now: Timestamps) -> [NodeID] {
    var relays: [NodeID: RelayedTraffic] = [:]
    var order: [NodeID] = []
    for record in introductions.records(of: other, at: now.wall)
    where membership[record.topic]?.connects(node, other) ?? false {
      for relay in introductions.relays(for: record) {
        guard let traffic = introductions.relays.traffic(by: relay, over: record.topic) else { continue }
        if relays[relay] == nil { order.append(relay) }
        relays[relay] = max(traffic, relays[relay] ?? traffic)
      }
    }
    return order.filter { relays[$0] == .everything } + order.filter { relays[$0] == .messages }
  }

  /// By which link and channel a relay leads to a node; nil if there is no way.
  package func relayRoute(to target: NodeID, by relay: NodeID) -> (link: LinkID, topic: Topic)? {
    guard let link = peers.link(of: relay) else { return nil }
    let topics = introductions.topics(of: target)
    let ways = membership.inOrder.filter { topics.contains($0.topic) && $0.connects(node, target) }.map(\.topic)
      .compactMap { topic in introductions.relays.traffic(by: relay, over: topic).map { (topic: topic, traffic: $0) } }
    let way = ways.first { $0.traffic == .everything } ?? ways.first
    return way.map { (link, $0.topic) }
  }

  /// Whether this node accepts a link from `opener` through the relay at the other end of `link`.
  package func accepts(relayedFrom opener: NodeID, over topic: Topic, by link: LinkID) -> Bool {
    guard let relay = peers.active(link), introductions.relays.traffic(by: relay.node, over: topic) != nil,
      opener != node, opener != relay.node, membership[topic]?.connects(opener, node) ?? false
    else { return false }
    let relayed = peers.links(to: opener).count { peers[$0]?.facts.path == .relayed }
    return relayed < Self.maximumRelayedLinks
  }

  /// Whether this node accepts a lane of its link to `opener` through the relay at the other end of `link`: only if the two
  /// have a link through that relay.
  package func accepts(laneFrom opener: NodeID, over topic: Topic, by link: LinkID) -> Bool {
    guard let relay = peers.active(link), introductions.relays.traffic(by: relay.node, over: topic) == .everything,
      membership[topic]?.connects(opener, node) ?? false
    else { return false }
    return peers.activeLinks(to: opener).contains { peers[$0]?.facts.remote == .relay(relay.node) }
  }

  // MARK: At the relay

  /// Whether this node passes a link, or joins lanes, from the node at the other end of `link`.
  ///
  /// At a bootstrap node both nodes must have named the channel's topic; another node relays for the members of its
  /// channels. A node without permission gets the same answer whether or not the target is linked.
  package func relayStatus(from link: LinkID, to target: NodeID, over topic: Topic) -> RelayStatus {
    guard configuration.relays else { return .doesNotRelay }
    guard configuration.isBootstrap else { return memberStatus(from: link, to: target, over: topic) }
    guard let opener = peers.active(link), opener.known.contains(topic), opener.node != target else {
      return .notPermitted
    }
    guard let other = peers.peer(of: target), other.known.contains(topic) else { return .notLinked }
    return opener.facts.path == .relayed || other.facts.path == .relayed ? .nested : .granted
  }

  private func memberStatus(from link: LinkID, to target: NodeID, over topic: Topic) -> RelayStatus {
    // Strangers do not learn whether this node is in the channel.
    guard let opener = peers.active(link), membership.relays(for: opener, over: topic),
      membership.relayed(over: topic) != nil
    else { return .doesNotRelay }
    guard opener.node != target else { return .notPermitted }
    guard let other = peers.peer(of: target), membership.relays(for: other, over: topic) else { return .notLinked }
    return opener.facts.path == .relayed || other.facts.path == .relayed ? .nested : .granted
  }

  /// What this node passes on over a channel, if it relays.
  package func relayedTraffic(over topic: Topic) -> RelayedTraffic {
    configuration.isBootstrap ? .everything : membership.relayed(over: topic) ?? .messages
  }

  /// Whether this node passes the records of a channel's members on to the others: they find each other by them.
  func passesOnRecords(of topic: Topic) -> Bool {
    configuration.isBootstrap || (configuration.relays && membership.relayed(over: topic) != nil)
  }

  /// Where this node sees another one: it tells the node at the other end of a relayed link.
  package func seenAt(_ node: NodeID) -> [Endpoint] {
    let facts = peers.directLinks(to: node).map(\.facts)
    return Array(facts.compactMap { $0.remote?.tcpEndpoint }.prefix(Int(RelayFrame.endpoints)))
  }

  /// The link over which a node is asked whether it accepts a relayed one.
  package func relayLink(to target: NodeID) -> LinkID? { peers.link(of: target) }
}

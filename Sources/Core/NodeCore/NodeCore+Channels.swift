import Crypto
package import Discovery
package import Primitives
import Wire

extension NodeCore {
  /// Replaces the joined channels. Requests that are no longer permitted end.
  package mutating func setChannels(_ joined: [Channel], at now: Timestamps) {
    let oldTopics = membership.topics
    let changed = membership.join(joined)
    transferEngine.topics = membership.topics
    announcer.setChannels(membership.inOrder.map(\.secret), at: now.instant)
    guard !changed.isEmpty else { return endHopelessSearches(at: now) }
    if !configuration.isBootstrap {
      for topic in oldTopics.subtracting(membership.topics).sorted() { introductions.forget(topic) }
    }
    if oldTopics != membership.topics { sendProofs() }
    let affected = membership.links(claiming: changed)
    for link in affected { checkProofs(of: link, changed: changed) }
    reviewPermissions(of: affected, at: now)
    updateTargets(at: now)
    announce(at: now)
    for link in affected { askOpenQuestions(to: link, at: now) }
    endHopelessSearches(at: now)
    runAnnouncer(at: now)
    runDials(now)
  }

  private mutating func sendProofs() {
    for link in peers.links {
      guard let peer = peers[link], !peer.isClosing else { continue }
      emit(.link(.send(link, .channels(membership.proofs(binding: peer.facts.binding)))))
    }
  }

  /// No node can appear over a channel that is not joined.
  private mutating func endHopelessSearches(at now: Timestamps) {
    transferEngine.settleSearches(at: now.instant)
    drainTransfer(at: now)
  }

  /// Sets the port on which this node listens, further ones, that of QUIC, and its addresses as far as it knows them.
  package mutating func setAddresses(
    _ addresses: [Endpoint], port: UInt16?, furtherPorts: [UInt16] = [], quicPort: UInt16? = nil, at now: Timestamps
  ) {
    introductions.setAddresses(addresses, port: port, furtherPorts: furtherPorts, quicPort: quicPort)
    announcer.setPort(port, at: now.instant)
    addressesChanged(at: now)
  }

  /// Sets the networks around this node, after they have changed.
  package mutating func setLocalNetwork(_ network: LocalNetwork, at now: Timestamps) {
    guard introductions.setLocalNetwork(network) else { return }
    reviewMapping(at: now)
    addressesChanged(at: now)
  }

  /// The ways to reach this node, or others, have changed.
  mutating func addressesChanged(at now: Timestamps) {
    updateTargets(at: now)
    updateOwnSide(at: now)
    announce(at: now)
    runAnnouncer(at: now)
    runDials(now)
  }

  mutating func recordObserved(_ address: Address, by observer: NodeID, at now: Timestamps) {
    guard introductions.recordObserved(address, by: observer) else { return }
    reviewMapping(at: now)
    updateOwnSide(at: now)
    updateTargets(at: now)
    announce(at: now)
  }

  /// Records a peer's proofs of its channels, in its hello or later. The caller reviews the peer's permissions.
  mutating func setProofs(_ proofs: [ChannelProof], of link: LinkID) {
    guard let old = peers[link]?.claimed else { return }
    peers.change(link) { $0.proofs = proofs }
    membership.setClaims(of: link, from: old, to: Set(proofs.map(\.topic)))
    checkProofs(of: link)
  }

  /// Determines the channels for which a peer's proofs are valid.
  ///
  /// - Parameter changed: the topics whose channels have changed; nil if the proofs have.
  private mutating func checkProofs(of link: LinkID, changed: Set<Topic>? = nil) {
    guard let peer = peers[link], peer.hello != nil, !peer.isClosing else { return }
    let proven = membership.proven(by: peer, changed: changed)
    peers.change(link) { $0.proven = proven }
  }

  /// Withdraws requests that are no longer permitted in either direction, and sends queries that are permitted now. The
  /// cost depends only on these peers, not on the number of links.
  mutating func reviewPermissions(of links: [LinkID], at now: Timestamps) {
    let membership = membership
    let reviewed = links.compactMap { peers.active($0) }
    guard !reviewed.isEmpty else { return }
    for _ in reviewed { countReview() }
    let permissions = links.compactMap { peers.preferred($0) }
      .map { (node: $0.node, topics: membership.askableTopics(of: $0), link: $0.link) }
    transferEngine.withdraw(except: permissions.map { ($0.node, Set($0.topics)) }, at: now.instant)
    drainTransfer(at: now)
    feedEngine.setPeers(permissions, at: now.instant)
    for peer in reviewed { feedEngine.withdraw(peer.link) { !membership.mayServe(peer, over: $0) } }
    drainFeeds()
  }

  /// Whether the peer at the other end may request files from this node over the channel with this topic.
  package func mayServe(_ link: LinkID, over topic: Topic) -> Bool {
    peers[link].map { membership.mayServe($0, over: topic) } ?? false
  }
}

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
    remembered.forget(at: now.instant) { oldTopics.contains($0) && membership[$0] == nil }
    var affected = membership.links(knowing: changed)
    if oldTopics != membership.topics {
      sendProofs()
      forgetFailedBootstraps()
      for link in peers.links { recognize(link) }
      affected = Set(affected).union(membership.links(knowing: changed)).sorted()
    }
    reviewPermissions(of: affected, at: now)
    for link in affected { offerRelaying(to: link) }
    reviewRelays()
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
      nameTopics(to: link)
    }
  }

  /// Names this node's topics to a bootstrap node, which introduces it and passes its links on by them. No other node
  /// gets them.
  mutating func nameTopics(to link: LinkID) {
    let topics = membership.namedTopics
    guard let peer = peers.active(link), peer.isBootstrap, peer.toldTopics != topics else { return }
    peers.change(link) { $0.toldTopics = topics }
    emit(.link(.send(link, .topics(topics))))
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

  /// Where other nodes may reach this one, as far as it knows.
  package var ownAddresses: [Address] { introductions.ownAddresses }

  /// Sets the networks around this node, after they have changed.
  package mutating func setLocalNetwork(_ network: LocalNetwork, at now: Timestamps) {
    guard introductions.setLocalNetwork(network) else { return }
    remembered.endPauses()
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
    peers.change(link) { $0.proofs = Set(proofs) }
    recognize(link)
    limitIntroductions(of: link)
  }

  /// Records the topics of a peer's channels. Only a bootstrap node needs them.
  mutating func setNamed(_ topics: [Topic], of link: LinkID) {
    guard configuration.isBootstrap else { return }
    changeKnown(by: link) { $0.named = Set(topics) }
  }

  /// Determines the channels for which a peer's proofs are valid.
  private mutating func recognize(_ link: LinkID) {
    guard let peer = peers[link], peer.hello != nil, !peer.isClosing else { return }
    let expected = membership.expectedProofs(of: peer)
    changeKnown(by: link) { peer in
      peer.expected = expected
      peer.proven = Set(peer.proofs.compactMap { expected[$0] })
    }
  }

  mutating func changeKnown(by link: LinkID, _ body: (inout Peer) -> Void) {
    guard let old = peers[link]?.known else { return }
    peers.change(link, body)
    membership.setKnown(by: link, from: old, to: peers[link]?.known ?? [])
  }

  /// What stands for a channel in this node's requests on a link; nil if the channel is not joined or the link is gone.
  package func proof(of topic: Topic, on link: LinkID) -> ChannelProof? {
    peers[link].flatMap { membership.proof(of: topic, binding: $0.facts.binding) }
  }

  /// Withdraws requests that are no longer permitted in either direction, and sends queries that are permitted now. The
  /// cost depends only on these peers, not on the number of links.
  mutating func reviewPermissions(of links: [LinkID], at now: Timestamps) {
    let membership = membership
    let reviewed = links.compactMap { peers.active($0) }
    guard !reviewed.isEmpty else { return }
    for _ in reviewed { countReview() }
    let permissions = links.compactMap { peers.preferred($0) }
      .map { (node: $0.node, channels: membership.askableChannels(of: $0), link: $0.link) }
    transferEngine.withdraw(
      except: permissions.map { ($0.node, Set($0.channels.map(\.topic))) }, at: now.instant)
    drainTransfer(at: now)
    feedEngine.setPeers(permissions, at: now.instant)
    for peer in reviewed { feedEngine.withdraw(peer.link) { !membership.mayServe(peer, over: $0) } }
    drainFeeds()
  }

  /// Whether the peer at the other end may request files from this node over the channel for which it gave this proof.
  package func mayServe(_ link: LinkID, over proof: ChannelProof) -> Bool {
    peers[link].map { membership.mayServe($0, over: proof) } ?? false
  }
}

import Crypto
package import Discovery
package import Primitives
import Wire

extension NodeCore {
  /// Joins these channels in place of the ones before. What is no longer permitted ends.
  package mutating func setChannels(_ joined: [Channel], at now: Timestamps) {
    let oldTopics = membership.topics
    let changed = membership.join(joined)
    transferEngine.topics = membership.topics
    guard !changed.isEmpty else { return endHopelessSearches(at: now) }
    if !configuration.isBootstrap {
      for topic in oldTopics.subtracting(membership.topics).sorted() { introductions.forget(topic) }
    }
    if oldTopics != membership.topics { sendProofs() }
    let affected = membership.links(claiming: changed)
    for link in affected { checkProofs(of: link, changed: changed, at: now) }
    updateTargets(at: now)
    announce(at: now)
    for link in affected { askOpenQuestions(to: link, at: now) }
    endHopelessSearches(at: now)
    runDials(now)
  }

  private mutating func sendProofs() {
    for link in peers.links {
      guard let peer = peers[link], !peer.isClosing else { continue }
      emit(.link(.send(link, .channels(membership.proofs(binding: peer.facts.binding)))))
    }
  }

  /// Over a channel that is not joined nobody will ever appear.
  private mutating func endHopelessSearches(at now: Timestamps) {
    transferEngine.settleSearches(at: now.instant)
    drainTransfer(at: now)
  }

  /// This node listens on `port` and can be reached at these addresses, as far as it knows itself.
  package mutating func setAddresses(_ addresses: [Endpoint], port: UInt16?, at now: Timestamps) {
    introductions.setAddresses(addresses, port: port)
    updateTargets(at: now)
    announce(at: now)
    runDials(now)
  }

  mutating func recordObserved(_ host: String, at now: Timestamps) {
    guard introductions.recordObserved(host) else { return }
    updateTargets(at: now)
    announce(at: now)
  }

  /// Takes in what a peer says of its channels, in its hello or later.
  mutating func setProofs(_ proofs: [ChannelProof], of link: LinkID, at now: Timestamps) {
    guard let old = peers[link]?.claimed else { return }
    peers.change(link) { $0.proofs = proofs }
    membership.setClaims(of: link, from: old, to: Set(proofs.map(\.topic)))
    checkProofs(of: link, at: now)
  }

  /// Works out on which channels a peer's proofs hold, and what follows from it for this peer.
  ///
  /// - Parameter changed: the topics whose channels have changed; nil if the proofs have.
  private mutating func checkProofs(of link: LinkID, changed: Set<Topic>? = nil, at now: Timestamps) {
    guard let peer = peers[link], peer.hello != nil, !peer.isClosing else { return }
    let proven = membership.proven(by: peer, changed: changed)
    peers.change(link) { $0.proven = proven }
    reviewPermissions(of: link, at: now)
  }

  /// Withdraws what may no longer be asked of the peer, or given to it, and asks what now may be. It costs as much as this
  /// one peer has to do with, however many others are linked.
  mutating func reviewPermissions(of link: LinkID, at now: Timestamps) {
    guard let peer = peers.active(link) else { return }
    countReview()
    let askable = membership.askableTopics(of: peer)
    transferEngine.withdraw(peer.node, except: Set(askable), at: now.instant)
    drainTransfer(at: now)
    feedEngine.setPeer(peer.node, topics: askable, binding: peer.facts.binding, at: now.instant)
    let membership = membership
    feedEngine.withdraw(peer.node) { !membership.mayServe(peer, over: $0) }
    drainFeeds()
  }

  /// Whether the peer at the other end may ask this node for files over the channel with this topic.
  package func mayServe(_ link: LinkID, over topic: Topic) -> Bool {
    peers[link].map { membership.mayServe($0, over: topic) } ?? false
  }
}

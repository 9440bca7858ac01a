package import Feeds
package import Primitives
package import Wire

extension NodeCore {
  /// Hands an input to the engine of feeds.
  package mutating func feeds(at now: Timestamps, _ body: (inout FeedEngine, Instant) -> Void) {
    body(&feedEngine, now.instant)
    drainFeeds()
  }

  /// A peer asks for something of a feed.
  package mutating func received(_ request: FeedRequest, on link: LinkID) {
    guard let peer = peers[link], peer.isActive, linkOfNode[peer.node] == link else { return }
    let isPermitted = request.topic.map { mayServe(link, over: $0) } ?? true
    feedEngine.received(request, from: peer.node, isPermitted: isPermitted)
    drainFeeds()
  }

  /// A peer answers what this node has asked of a feed.
  package mutating func received(_ answer: FeedAnswer, on link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.isActive, linkOfNode[peer.node] == link else { return }
    feedEngine.received(answer, from: peer.node, at: now.instant)
    drainFeeds()
  }

  /// The messages of a feed that were last sent over this link have left.
  package mutating func feedMessagesLeft(_ link: LinkID) {
    guard let peer = peers[link], linkOfNode[peer.node] == link else { return }
    feedEngine.sent(to: peer.node)
    drainFeeds()
  }

  /// Whether this node has joined any channel over which a feed could be looked for.
  package var hasChannels: Bool { !channels.isEmpty }

  /// Tells the engine who is linked and what may be asked of whom.
  mutating func updateFeedPeers(at now: Timestamps) {
    let linked = linkOfNode.values.compactMap { peers[$0] }.sorted { $0.node < $1.node }
    for peer in linked {
      feedEngine.setPeer(peer.node, topics: askableTopics(of: peer), binding: peer.facts.binding, at: now.instant)
    }
    let permitted = Dictionary(
      linked.map { peer in (peer.node, Set(channels.keys.filter { mayServe(peer.link, over: $0) })) }
    ) { first, _ in first }
    feedEngine.withdraw { node, topic in permitted[node]?.contains(topic) != true }
    drainFeeds()
  }

  mutating func feedPeerLeft(_ node: NodeID, at now: Timestamps) {
    feedEngine.peerLeft(node, at: now.instant)
    drainFeeds()
  }

  /// Turns what the engine wants into effects of the node.
  mutating func drainFeeds() {
    while let effect = feedEngine.nextEffect() {
      switch effect {
      case .request(let node, let request): if let link = linkOfNode[node] { emit(.link(.feedRequest(link, request))) }
      case .answer(let node, let answer): if let link = linkOfNode[node] { emit(.link(.feedAnswer(link, answer))) }
      case .released(let node, let bytes):
        if let link = linkOfNode[node] { emit(.link(.feedBytesReleased(link, bytes))) }
      case .work(let work): emit(.feedWork(work))
      case .client(let outcome): emit(.feedClient(outcome))
      case .event(let event):
        if case .misbehaved(_, let node) = event { recordBadAnswer(node) }
        emit(.feedEvent(event))
      }
    }
  }
}

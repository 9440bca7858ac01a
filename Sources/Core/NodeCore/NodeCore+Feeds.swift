package import Feeds
package import Primitives
package import Wire

extension NodeCore {
  /// Passes an input to the feed engine.
  package mutating func feeds(at now: Timestamps, _ body: (inout FeedEngine, Instant) -> Void) {
    body(&feedEngine, now.instant)
    drainFeeds()
  }

  /// A peer's request about a feed.
  package mutating func received(_ request: FeedRequest, on link: LinkID) {
    guard let peer = peers.active(link) else { return }
    let isPermitted = request.channel.map { mayServe(link, over: $0) } ?? true
    feedEngine.received(request, over: peer.link, isPermitted: isPermitted)
    drainFeeds()
  }

  /// A peer's answer about a feed.
  package mutating func received(_ answer: FeedAnswer, on link: LinkID, at now: Timestamps) {
    guard let peer = peers.active(link) else { return }
    feedEngine.received(answer, over: peer.link, at: now.instant)
    drainFeeds()
  }

  /// The last messages of a feed on this link were sent.
  package mutating func feedMessagesLeft(_ link: LinkID) {
    feedEngine.sent(over: link)
    drainFeeds()
  }

  /// Whether this node has joined any channel over which it can look for a feed.
  package var hasChannels: Bool { !membership.isEmpty }

  mutating func feedPeerLeft(_ node: NodeID, at now: Timestamps) {
    feedEngine.peerLeft(node, at: now.instant)
    drainFeeds()
  }

  /// Turns the feed engine's effects into effects of the node.
  mutating func drainFeeds() {
    while let effect = feedEngine.nextEffect() {
      switch effect {
      case .request(let link, let request):
        if peers[link] != nil { emit(.link(.feedRequest(link, request))) }
      case .answer(let link, let answer):
        if peers[link] != nil { emit(.link(.feedAnswer(link, answer))) }
      case .released(let link, let bytes):
        if peers[link] != nil { emit(.link(.feedBytesReleased(link, bytes))) }
      case .work(let work): emit(.feedWork(work))
      case .client(let outcome): emit(.feedClient(outcome))
      case .event(let event):
        if case .misbehaved(_, let node) = event { reputation.recordBadAnswer(by: node) }
        emit(.feedEvent(event))
      }
    }
  }
}

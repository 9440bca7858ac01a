package import Discovery
package import Feeds
package import Primitives
package import Transfer
package import Wire

/// Names one link. Later links have higher numbers.
package struct LinkID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: LinkID, right: LinkID) -> Bool { left.number < right.number }
}

/// Names one look into the store.
package struct LookupID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// What is known of a link when it opens.
package struct LinkFacts: Hashable, Sendable {
  /// The node at the other end, as proved by the handshake.
  package let peer: NodeID
  /// The attempt that led to it; nil where the other side dialed.
  package let dial: DialID?
  /// Bytes that both ends of this link, and of no other, derive.
  package let binding: [UInt8]
  /// Where the other end is, seen from here.
  package let remote: Endpoint?

  package init(peer: NodeID, dial: DialID?, binding: [UInt8], remote: Endpoint?) {
    self.peer = peer
    self.dial = dial
    self.binding = binding
    self.remote = remote
  }
}

/// What the core asks of its owner, by the part that carries it out.
package enum NodeEffect: Sendable {
  case link(LinkEffect)
  /// Look whether the store has the file, and make a manifest of it first if one is wanted and missing; answer by
  /// `lookedUp`.
  case lookUp(LookupID, ContentHash, wantsManifest: Bool)
  case download(DownloadEffect)
  /// Fetch a piece over this link; answer by `received` and `fetched`.
  case fetch(PieceFetch, DownloadID, LinkID)
  /// The node has not forgotten what it was asked for: this node waits for its turn there.
  case waiting(NodeID)
  case client(ClientEffect)
  case failed(LoadID, KacheryError)
  case feedWork(FeedWork)
  case feedClient(FeedClientEffect)
  case feedEvent(FeedEvent)
  case event(NodeEvent)
}

/// What shall happen on links.
package enum LinkEffect: Sendable {
  /// Connect to this address; answer by `linkOpened` or `dialFailed`.
  case dial(DialID, Endpoint, expected: NodeID?)
  case cancelDial(DialID)
  case send(LinkID, ControlMessage)
  /// Say goodbye and close; answer by `linkClosed`.
  case close(LinkID, Goodbye)
  /// Ask something on the feed stream that this node has opened.
  case feedRequest(LinkID, FeedRequest)
  /// Answer on the feed stream that the peer has opened; report by `feedMessagesLeft` when messages have left.
  case feedAnswer(LinkID, FeedAnswer)
  /// This many bytes of messages that came over this link need no memory any more.
  case feedBytesReleased(LinkID, Int)
}

/// What an owner may want to know of, for the log and the counters.
package enum NodeEvent: Hashable, Sendable {
  case linked(NodeID, label: String)
  case unlinked(NodeID)
  /// A link was refused, by this node or by the other.
  case refused(NodeID, Goodbye, byPeer: Bool)
  /// A node gave bytes that are not what they should be.
  case misbehaved(NodeID, ContentHash)
  /// The other node's clock differs from this one's by so many seconds.
  case clockSkew(NodeID, seconds: Int64)
}

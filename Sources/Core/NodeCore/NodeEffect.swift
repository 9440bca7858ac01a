package import Discovery
package import Feeds
package import Primitives
package import Transfer
package import Wire

/// Names one link.
package struct LinkID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
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

/// What the core asks of those around it.
package enum NodeEffect: Sendable {
  /// Connect to this address; answer by `linkOpened` or `dialFailed`.
  case dial(DialID, Endpoint, expected: NodeID?)
  case cancelDial(DialID)
  case send(LinkID, ControlMessage)
  /// Say goodbye and close; answer by `linkClosed`.
  case close(LinkID, Goodbye)
  /// Look whether the store has the file, and make a manifest of it first where that is wanted and there is none; answer by
  /// `lookedUp`.
  case lookUp(LookupID, ContentHash, wantsManifest: Bool)

  /// Read the file's manifest from the store; answer by `manifestRead`.
  case readManifest(DownloadID, of: ContentHash, named: ContentHash)
  /// Make ready to receive the file; answer by `prepared`.
  case prepare(DownloadID, DownloadPlan)
  /// Fetch a piece over this link; answer by `received` and `fetched`.
  case fetch(PieceFetch, DownloadID, LinkID)
  /// Give up every fetch of this download from this node.
  case abandon(DownloadID, NodeID)
  /// Check and admit the whole file; answer by `completed`.
  case complete(DownloadID)
  case discard(DownloadID)

  /// The node has not forgotten what it was asked for: its turn has yet to come.
  case waiting(NodeID)

  case found(FindID, Source)
  case findEnded(FindID)
  case progress(LoadID, loaded: UInt64, total: UInt64, node: NodeID?)
  case loadWaits(LoadID, node: NodeID, others: UInt32?)
  case loaded(LoadID)
  case failed(LoadID, KacheryError)

  /// Ask something on the feed stream that this node has opened.
  case feedRequest(LinkID, FeedRequest)
  /// Answer on the feed stream that the peer has opened; say by `feedMessagesLeft` when messages have left.
  case feedAnswer(LinkID, FeedAnswer)
  /// So many bytes of messages that came over this link need no memory any more.
  case feedBytesDealtWith(LinkID, Int)
  /// Everything else that the engine of feeds wants, but requests and answers.
  case feed(FeedEffect)

  case event(NodeEvent)
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

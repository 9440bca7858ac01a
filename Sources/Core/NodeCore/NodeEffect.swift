package import Discovery
package import Feeds
package import Primitives
package import Transfer
package import Wire

/// Identifies a lookup in the store.
package struct LookupID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// What the core requests of its owner, by the part that carries it out.
package enum NodeEffect: Sendable {
  case link(LinkEffect)
  case local(LocalEffect)
  /// Ask the router; reply with `mappingAnswered` and the number.
  case mapPort(UInt64, PortMappingQuestion)
  /// Look the file up in the store, and create its manifest first if one is wanted and missing; reply with `lookedUp`.
  case lookUp(LookupID, ContentHash, wantsManifest: Bool)
  case download(DownloadEffect)
  /// Fetch a piece over this link; reply with `received` and `fetched`.
  case fetch(PieceFetch, DownloadID, LinkID)
  /// The download will soon fetch up to this number of bytes from the node, over the link.
  case willFetch(UInt64, DownloadID, NodeID, LinkID)
  /// The node has not forgotten this node's request, which waits for its turn there.
  case waiting(NodeID)
  case client(ClientEffect)
  case replica(ReplicaEffect)
  /// Keep a copy of this file if the owner allows it; report by `replica(_:is:)`.
  case keepReplica(ReplicaOrder)
  case failed(LoadID, KacheryError)
  case feedWork(FeedWork)
  case feedClient(FeedClientEffect)
  case feedEvent(FeedEvent)
  case event(NodeEvent)
  /// Store these members and their addresses in place of the earlier ones, for `restore` after the next start.
  case save([RememberedMember])
}

/// An action on links.
package enum LinkEffect: Sendable {
  /// Connect to this address; reply with `linkOpened` or `dialFailed`.
  case dial(DialID, Address, expected: NodeID?)
  case cancelDial(DialID)
  /// Connect to this bootstrap node from any port, not from the one on which this node listens; reply as to `dial`.
  case observe(DialID, Endpoint, expected: NodeID)
  case send(LinkID, ControlMessage)
  /// Say goodbye and close; reply with `linkClosed`.
  case close(LinkID, Goodbye)
  /// Send a request on the feed stream that this node has opened.
  case feedRequest(LinkID, FeedRequest)
  /// Answer on the feed stream that the peer has opened; report with `feedMessagesLeft` when messages were sent.
  case feedAnswer(LinkID, FeedAnswer)
  /// This many bytes of messages from this link were released.
  case feedBytesReleased(LinkID, Int)
  /// From now on, request over this link what is requested of its node. What was requested over the node's other links
  /// ends there.
  case prefer(LinkID)
  /// Request what is requested over this link over the preferred link of its node instead: nothing comes over this one.
  case abandon(LinkID)
  /// Dial all addresses of this round now; reply with `linkOpened`, whose facts name the path `punched`, or
  /// `punchFailed`.
  case punch(PunchRound)
  /// Stop the round with this node.
  case cancelPunch(NodeID)
  /// Send this datagram.
  case probe(ProbeDatagram)
  /// Open further sockets for the round with this node, within some tenths of a second.
  case openSockets(NodeID, SocketOpening)
  /// Accept links by QUIC at the one with this port, and close the others.
  case keepSocket(NodeID, UInt16)
  /// Close the further sockets of the round with this node.
  case closeSockets(NodeID)
  /// Connect by QUIC from the further socket with this port, which was kept; reply as to `dial`.
  case dialFrom(UInt16, DialID, Endpoint, expected: NodeID)
}

/// A datagram to send in the local networks.
package enum LocalEffect: Sendable {
  /// Send it to the group, from every place.
  case announce([UInt8])
  /// Send it to the sender of an announcement, from the place where that arrived.
  case answer([UInt8], to: LocalSource)
}

/// Events that an owner may want to log and count.
package enum NodeEvent: Hashable, Sendable {
  case linked(NodeID, label: String)
  case unlinked(NodeID)
  /// A link was refused, by this node or by the other.
  case refused(NodeID, Goodbye, byPeer: Bool)
  /// A node sent wrong bytes.
  case misbehaved(NodeID, ContentHash)
  /// Something that a person has to change at one of two nodes has come up.
  case notice(NodeNotice)
  /// The other node's clock differs from this one's by this many seconds.
  case clockSkew(NodeID, seconds: Int64)
}

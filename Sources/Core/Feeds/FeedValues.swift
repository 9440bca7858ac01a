package import Crypto
package import Primitives
package import Wire

/// Identifies a lookup of a feed in the store.
package struct FeedLookupID: Hashable, Sendable {
  package let number: UInt64
}

/// Identifies a read of messages for another node.
package struct FeedReadID: Hashable, Sendable {
  package let number: UInt64
}

/// Identifies messages passed to the store.
package struct MessageBatchID: Hashable, Sendable {
  package let number: UInt64
}

/// Identifies a client's search for the writer of a feed.
package struct FeedSeekID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: FeedSeekID, right: FeedSeekID) -> Bool { left.number < right.number }
}

/// Identifies a client's submission.
package struct SubmitID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: SubmitID, right: SubmitID) -> Bool { left.number < right.number }
}

/// A channel over which a node may be asked, and what stands for it on the link to that node.
package struct AskableChannel: Hashable, Sendable {
  package let topic: Topic
  package let proof: ChannelProof

  package init(topic: Topic, proof: ChannelProof) {
    self.topic = topic
    self.proof = proof
  }
}

/// A submission from another node that waits for its answer.
package struct ForeignSubmission: Hashable, Sendable {
  package let node: NodeID
  /// The link over which it came, and is answered.
  package let link: LinkID
  package let id: UInt32

  package init(node: NodeID, link: LinkID, id: UInt32) {
    self.node = node
    self.link = link
    self.id = id
  }
}

/// The outcome of storing messages from another node.
package enum MessagesOutcome: Sendable {
  /// New messages are on the disk; `count` messages of the subfeed are now stored.
  case kept(count: UInt64)
  /// A message is not signed by the feed, or not in its place, or the subfeed does not begin as stated.
  case invalid
  /// The message with this number is signed by the feed but contradicts a stored one.
  case forked(at: UInt64)
  /// They could not be written.
  case failed(KacheryError)
}

/// Which nodes have a feed.
package enum FeedWhereabouts: Hashable, Sendable {
  /// This node writes it, and is linked.
  case writer(NodeID)
  /// Its writer was not found; other nodes have messages of it.
  case copies
  /// None of the queried nodes knows it.
  case nowhere
}

/// What the engine requests of its owner.
package enum FeedEffect: Sendable {
  case request(LinkID, FeedRequest)
  case answer(LinkID, FeedAnswer)
  /// Messages that came over the link were released: this many more bytes may come over it.
  case released(LinkID, bytes: Int)
  case work(FeedWork)
  case client(FeedClientEffect)
  case event(FeedEvent)
}

/// Work for the feed store.
package enum FeedWork: Sendable {
  /// Count the stored messages of the subfeed, none if the writer's statement about it is missing; reply with `counted`.
  case count(SubfeedKey)
  /// Check these messages, the first with this number, and the statement with which message the subfeed begins; store
  /// the new ones, and the statement if it is missing; reply with `admitted`. Messages of one subfeed are stored in the
  /// order of these effects.
  case admit(MessageBatchID, SubfeedKey, position: UInt64, SubfeedStatement, [[UInt8]])
  /// Find out whether this node writes the feed or has messages of it; reply with `lookedUp`, with a proof for this
  /// link.
  case lookUp(FeedLookupID, FeedID, binding: [UInt8])
  /// Read messages of a subfeed from this number on, as many as make a good answer; reply with `messagesRead`.
  case read(FeedReadID, SubfeedKey, position: UInt64)
  /// Append a message if the rules let this node write; reply with `submissionEnded`.
  case append(ForeignSubmission, SubfeedKey, message: [UInt8])
}

/// What was read of a subfeed for another node.
package enum ReadMessages: Sendable {
  /// The next messages, none if there are no more. The statement is nil only if the subfeed has no messages.
  case read([[UInt8]], SubfeedStatement?)
  /// The messages are here without the writer's statement.
  case unproven
  /// They could not be read.
  case unreadable
}

/// How a client's search or submission ended.
package enum FeedClientEffect: Sendable {
  case sought(FeedSeekID, FeedWhereabouts)
  case submitted(SubmitID, KacheryError?)
}

/// Events that an owner may want to log.
package enum FeedEvent: Hashable, Sendable {
  /// The feed's key has signed two different messages for one position. Both are kept, the second separately.
  case forked(SubfeedKey, number: UInt64, toldBy: NodeID)
  /// A node sent messages that are not the feed's.
  case misbehaved(SubfeedKey, NodeID)
}

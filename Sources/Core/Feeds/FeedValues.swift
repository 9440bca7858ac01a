package import Primitives
package import Wire

/// Names one look at whether a feed is here.
package struct FeedLookupID: Hashable, Sendable {
  package let number: UInt64
}

/// Names one read of messages for another node.
package struct FeedReadID: Hashable, Sendable {
  package let number: UInt64
}

/// Names messages that were handed out to be checked and kept.
package struct MessageBatchID: Hashable, Sendable {
  package let number: UInt64
}

/// Names a client that wants to know who writes a feed.
package struct FeedSeekID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: FeedSeekID, right: FeedSeekID) -> Bool { left.number < right.number }
}

/// Names a client that submits a message.
package struct SubmitID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: SubmitID, right: SubmitID) -> Bool { left.number < right.number }
}

/// A submission of another node's that waits for its answer.
package struct ForeignSubmission: Hashable, Sendable {
  package let node: NodeID
  package let id: UInt32

  package init(node: NodeID, id: UInt32) {
    self.node = node
    self.id = id
  }
}

/// What became of messages that a node gave.
package enum MessagesOutcome: Sendable {
  /// As far as they were new they are on the disk; so many messages of the subfeed are here now.
  case kept(count: UInt64)
  /// One of them is not signed by the feed, or not in its place.
  case invalid
  /// The message with this number is signed by the feed and contradicts one that is here.
  case forked(at: UInt64)
  /// They could not be written here.
  case failed(KacheryError)
}

/// Who knows a feed.
package enum FeedWhereabouts: Hashable, Sendable {
  /// This node writes it, and is linked to this one.
  case writer(NodeID)
  /// Its writer is not to be found; other nodes hold messages of it.
  case copies
  /// Nobody who was asked knows it.
  case nowhere
}

/// What the engine asks of its owner.
package enum FeedEffect: Sendable {
  case request(NodeID, FeedRequest)
  case answer(NodeID, FeedAnswer)
  /// The messages of an answer need no memory any more: the node may send this many bytes again.
  case released(NodeID, bytes: Int)
  case work(FeedWork)
  case client(FeedClientEffect)
  case event(FeedEvent)
}

/// What the store of feeds shall do.
package enum FeedWork: Sendable {
  /// Count the messages of the subfeed here, and answer by `counted`.
  case count(SubfeedKey)
  /// Check these messages, the first with this number, and keep what is new; answer by `admitted`. Those of one subfeed
  /// are kept in the order in which they are handed out.
  case admit(MessageBatchID, SubfeedKey, position: UInt64, [[UInt8]])
  /// Find out whether this node writes the feed or holds messages of it; answer by `lookedUp`, with a proof for this link.
  case lookUp(FeedLookupID, FeedID, binding: [UInt8])
  /// Read messages of a subfeed from this number on, as many as make a good answer; answer by `messagesRead`.
  case read(FeedReadID, SubfeedKey, position: UInt64)
  /// Append a message if the rules let this node write; answer by `submissionEnded`.
  case append(ForeignSubmission, SubfeedKey, message: [UInt8])
}

/// How a client's search for a feed, or its submission, ended.
package enum FeedClientEffect: Sendable {
  case sought(FeedSeekID, FeedWhereabouts)
  case submitted(SubmitID, KacheryError?)
}

/// What an owner may want to know of.
package enum FeedEvent: Hashable, Sendable {
  /// The feed's key has signed two different messages for one place. Both are kept, the second apart.
  case forked(SubfeedKey, number: UInt64, toldBy: NodeID)
  /// A node gave messages that are not the feed's.
  case misbehaved(SubfeedKey, NodeID)
}

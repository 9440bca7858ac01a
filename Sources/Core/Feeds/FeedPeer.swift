import Crypto
import Primitives

/// What is requested of one linked node.
struct FeedPeer: Sendable {
  /// What a node is known to have of a feed.
  enum Knowledge: Hashable, Sendable {
    case asked
    case writer
    case copy(since: Instant)
    case unknown(since: Instant)
  }

  /// A query sent to the node.
  struct Query: Hashable, Sendable {
    let feed: FeedID
    /// The link over which it was sent: the answer comes over the same one.
    let link: LinkID
    let sentAt: Instant
  }

  /// A submission sent to the node, over this link.
  struct Submit: Hashable, Sendable {
    let id: SubmitID
    let link: LinkID
  }

  let node: NodeID
  /// The link over which it is asked.
  var link: LinkID
  /// The channels over which it may be asked on that link.
  var channels: [AskableChannel] = []
  private var lastID: UInt32 = 0

  // Requests to it, by request number. Subscriptions are all on the link over which it is asked.
  var queries: [UInt32: Query] = [:]
  var subscriptions: [UInt32: SubfeedKey] = [:]
  var submits: [UInt32: Submit] = [:]
  var knowledge: [FeedID: Knowledge] = [:]

  init(node: NodeID, link: LinkID) {
    self.node = node
    self.link = link
  }

  mutating func nextID() -> UInt32 {
    lastID &+= 1
    return lastID
  }

  /// The topics of these channels.
  var topics: [Topic] { channels.map(\.topic) }

  /// The channel over which it may be asked, restricted to `wanted`; nil if there is none.
  func channel(among wanted: TopicFilter) -> AskableChannel? { channels.first { wanted.admits($0.topic) } }

  /// What stands for a channel on its link; nil if it may not be asked over that channel.
  func proof(of topic: Topic) -> ChannelProof? { channels.first { $0.topic == topic }?.proof }
}

/// What is served over one link. A node with several links is served on each what it requests there.
struct FeedLink: Sendable {
  let node: NodeID
  /// Bytes that only the two ends of the link can derive.
  let binding: [UInt8]
  var served: [UInt32: Served] = [:]
  /// Served subscriptions with messages to read; the next to be read is first.
  var turns: [UInt32] = []
  /// The current read for it.
  var reading: FeedReadID?
  /// Whether the last message is still being sent.
  var isBlocked = false
  /// Queries that wait for the store.
  var lookups: Set<FeedLookupID> = []
  var pendingSubmissions = 0

  init(node: NodeID, binding: [UInt8]) {
    self.node = node
    self.binding = binding
  }

  /// Entries about requests of the other side.
  var openEntries: Int { served.count + lookups.count + pendingSubmissions }
}

/// The channels over which something may be requested.
struct TopicFilter: Hashable, Sendable {
  /// Nil for any channel.
  private var topics: Set<Topic>?

  init(_ topic: Topic?) { topics = topic.map { [$0] } }

  func admits(_ topic: Topic) -> Bool { topics?.contains(topic) ?? true }

  mutating func add(_ topic: Topic?) {
    guard let topic else {
      topics = nil
      return
    }
    topics?.insert(topic)
  }
}

/// A subscription that arrived over a link.
struct Subscriber: Hashable, Comparable, Sendable {
  let link: LinkID
  let id: UInt32

  static func < (left: Subscriber, right: Subscriber) -> Bool {
    (left.link, left.id) < (right.link, right.id)
  }
}

/// A subfeed that another node follows here.
struct Served: Sendable {
  let key: SubfeedKey
  /// The node's proof for the channel over which it asked.
  let channel: ChannelProof
  /// The next message to send.
  var position: UInt64
  /// With which message the subfeed begins; nil until it was read.
  var statement: SubfeedStatement?
  /// Whether it has everything that is stored here.
  var isAtEnd = false
  /// Whether messages were added since the last read began.
  var hasMore = false
}

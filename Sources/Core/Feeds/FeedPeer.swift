import Primitives

/// One linked node, as far as feeds go.
struct FeedPeer: Sendable {
  /// What a node is known to have of a feed.
  enum Knowledge: Hashable, Sendable {
    case asked
    case writer
    case copy(since: Instant)
    case unknown(since: Instant)
  }

  /// A question that was put to it.
  struct Query: Hashable, Sendable {
    let feed: FeedID
    let sentAt: Instant
  }

  let node: NodeID
  /// Bytes that both ends of the link, and of no other, derive.
  let binding: [UInt8]
  /// The channels over which it may be asked.
  var topics: [Topic] = []
  var lastID: UInt32 = 0

  // What this node has asked of it, by the number of the request.
  var queries: [UInt32: Query] = [:]
  var subscriptions: [UInt32: SubfeedKey] = [:]
  var submits: [UInt32: SubmitID] = [:]
  var knowledge: [FeedID: Knowledge] = [:]

  // What it has asked of this node.
  var served: [UInt32: Served] = [:]
  /// Served subscriptions with messages to read, the next to have its turn first.
  var turns: [UInt32] = []
  /// What is being read for it.
  var reading: FeedReadID?
  /// What was sent last has not left yet.
  var isBlocked = false
  /// Its questions that wait for the store.
  var lookups: Set<FeedLookupID> = []
  var pendingSubmissions = 0

  init(node: NodeID, binding: [UInt8]) {
    self.node = node
    self.binding = binding
  }

  mutating func nextID() -> UInt32 {
    lastID &+= 1
    return lastID
  }

  /// The channel over which it may be asked, where only these count; nil where it may not.
  func topic(among wanted: TopicFilter) -> Topic? { topics.first { wanted.admits($0) } }
}

/// The channels over which something may be asked for.
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

/// One subscription of another node's.
struct Subscriber: Hashable, Comparable, Sendable {
  let node: NodeID
  let id: UInt32

  static func < (left: Subscriber, right: Subscriber) -> Bool { (left.node, left.id) < (right.node, right.id) }
}

/// What another node follows here.
struct Served: Sendable {
  let key: SubfeedKey
  let topic: Topic
  /// The next message that it gets.
  var position: UInt64
  /// It has everything that is here.
  var isAtEnd = false
  /// Messages have come since the last read began.
  var hasMore = false
}

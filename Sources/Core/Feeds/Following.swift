import Crypto
import Primitives
import Wire

/// A subfeed with local readers that other nodes may have.
struct Following: Sendable {
  /// A node from which it is read.
  struct Source: Hashable, Sendable {
    var id: UInt32
    let topic: Topic
    var askedAt: Instant
    var hasAnswered = false
    /// Whether it has said that it sent everything that it has.
    var isCaughtUp = false
    /// When it was asked, or last sent messages.
    var heardAt: Instant
    /// When it last sent messages that were new and right.
    var gaveAt: Instant?
    /// Bytes of messages that it has sent since, but that other nodes had sent before.
    var lateBytes = 0

    init(id: UInt32, topic: Topic, at now: Instant) {
      self.id = id
      self.topic = topic
      askedAt = now
      heardAt = now
    }

    /// The node is asked again, by a subscription with this number.
    mutating func renew(_ id: UInt32, at now: Instant) {
      self.id = id
      askedAt = now
      heardAt = now
      hasAnswered = false
      isCaughtUp = false
    }
  }

  /// How many nodes a subfeed is read from concurrently while its writer sends nothing: more of them if few bytes
  /// arrive. Only messages count, not a node's claim to have them.
  struct Breadth: Sendable {
    /// The initial number, and the number after many bytes arrived.
    static let least = 2
    static let most = 64
    /// How long few bytes may arrive before more nodes are asked.
    static let patience: Duration = .milliseconds(500)
    /// Bytes in that time that count as many.
    static let much = 64 << 10

    private(set) var count = Breadth.least
    private var since: Instant
    private var bytes = 0

    init(at now: Instant) { since = now }

    mutating func received(_ count: Int) { bytes += count }

    mutating func review(at now: Instant) {
      guard now - since >= Self.patience else { return }
      count = bytes >= Self.much ? Self.least : min(4 * count, Self.most)
      since = now
      bytes = 0
    }
  }

  /// Messages that wait to be stored.
  struct Batch: Sendable {
    let id: MessageBatchID
    let node: NodeID
    /// The link over which they came, whose window they take up.
    let link: LinkID
    let position: UInt64
    let statement: SubfeedStatement
    let messages: [[UInt8]]
    /// The next expected message when the batch was passed to the store.
    var expected: UInt64 = 0

    var bytes: Int { FeedAnswer.memory(of: messages) }
    var end: UInt64 { position + UInt64(messages.count) }
  }

  var topics: TopicFilter
  /// The number of local readers.
  var readers = 0
  /// When the last reader left.
  var unreadSince: Instant?
  /// Stored messages; nil until they are counted.
  var count: UInt64?
  var sources: [NodeID: Source] = [:]
  /// Nodes that sent wrong messages, or none, and until when they are not asked.
  var shunned: [NodeID: Instant] = [:]
  var breadth: Breadth
  /// How many times a node has omitted messages since its last new and right message.
  var gaps: [NodeID: Int] = [:]
  /// Batches being checked and stored, in order.
  var admitting: [Batch] = []
  var backlog: [Batch] = []
  /// After a failure to store: when to try again.
  var retryAt: Instant?

  init(topics: TopicFilter, at now: Instant) {
    self.topics = topics
    breadth = Breadth(at: now)
  }

  /// Whether the node is a source, is shunned, or sent messages that are still being stored.
  func involves(_ node: NodeID) -> Bool {
    sources[node] != nil || shunned[node] != nil || admitting.contains { $0.node == node }
  }

  /// The number of the first message that has not come from the node, and is not stored.
  func nextPosition(of node: NodeID) -> UInt64 {
    let last = backlog.last { $0.node == node } ?? admitting.last { $0.node == node }
    return max(count ?? 0, last?.end ?? 0)
  }

  /// Whether other nodes may be asked now.
  var canAsk: Bool { count != nil && retryAt == nil }

  /// Whether the node may be asked.
  func admits(_ peer: FeedPeer) -> Bool { shunned[peer.node] == nil && peer.channel(among: topics) != nil }

  /// The nodes to read from: the writer if it answers, otherwise several nodes with messages of the subfeed, preferring
  /// those that send them.
  func chosen(writers: [NodeID], copies: [NodeID], at now: Instant) -> [NodeID] {
    if let writer = writers.first, sources[writer]?.answers(at: now) ?? true { return [writer] }
    // Nodes that are already read from stay, so that nodes that come and go do not displace others.
    let ranked = (writers + copies).enumerated().sorted { one, other in
      let (left, right) = (rank(one.element), rank(other.element))
      return left == right ? one.offset < other.offset : left > right
    }
    return ranked.prefix(breadth.count).map(\.element)
  }

  private func rank(_ node: NodeID) -> UInt64 {
    guard let source = sources[node] else { return 0 }
    return source.gaveAt.map { max($0.nanoseconds, 2) } ?? 1
  }
}

extension Following.Source {
  /// Whether it has sent everything, or is sending messages.
  func answers(at now: Instant) -> Bool { isCaughtUp || now - heardAt < Following.Breadth.patience }
}

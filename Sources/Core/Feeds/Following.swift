import Primitives
import Wire

/// A subfeed that somebody here reads, and that other nodes may have.
struct Following: Sendable {
  /// One node of which it is read.
  struct Source: Hashable, Sendable {
    let id: UInt32
    let topic: Topic
    let askedAt: Instant
    var hasAnswered = false
    /// It has said that it has given everything that it has.
    var isCaughtUp = false
    /// When it was asked, or last gave messages.
    var heardAt: Instant
    /// When it last gave messages that were new and right.
    var gaveAt: Instant?
    /// Bytes of messages that it gave since and that others had given before.
    var lateBytes = 0

    init(id: UInt32, topic: Topic, at now: Instant) {
      self.id = id
      self.topic = topic
      askedAt = now
      heardAt = now
    }
  }

  /// Of how many nodes a subfeed is read concurrently while its writer gives nothing: of more when little comes. What a node
  /// gives counts, not what it says that it holds.
  struct Breadth: Sendable {
    /// At first, and again when much comes.
    static let least = 2
    static let most = 64
    /// How long little may come before more nodes are asked.
    static let patience: Duration = .milliseconds(500)
    /// Bytes in that time that are not little.
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

  /// Messages that wait to be kept.
  struct Batch: Sendable {
    let id: MessageBatchID
    let node: NodeID
    let position: UInt64
    let messages: [[UInt8]]
    /// The next message that was expected when it was handed out.
    var expected: UInt64 = 0
    /// Whether the link over which they came is gone: then there is no window to release them to, and a later link of the node
    /// has one of its own.
    var isLinkLost = false

    var bytes: Int { FeedAnswer.memory(of: messages) }
    var end: UInt64 { position + UInt64(messages.count) }
  }

  var topics: TopicFilter
  /// Who reads it here.
  var readers = 0
  /// When the last reader went.
  var unreadSince: Instant?
  /// Messages of it that are here; nil until they were counted.
  var count: UInt64?
  var sources: [NodeID: Source] = [:]
  /// Nodes that gave wrong messages, or would give none, and until when they are not asked.
  var shunned: [NodeID: Instant] = [:]
  var breadth: Breadth
  /// How often a node has left messages out since the last that was new and right.
  var gaps: [NodeID: Int] = [:]
  /// What is being checked and kept, in order.
  var admitting: [Batch] = []
  var backlog: [Batch] = []
  /// Nothing could be kept: when it is tried again.
  var retryAt: Instant?

  init(topics: TopicFilter, at now: Instant) {
    self.topics = topics
    breadth = Breadth(at: now)
  }

  /// Whether something is known or kept of the node.
  func involves(_ node: NodeID) -> Bool {
    sources[node] != nil || shunned[node] != nil || admitting.contains { $0.node == node }
  }

  /// What the node gave is still being kept, but its link is gone.
  mutating func loseLink(to node: NodeID) {
    for index in admitting.indices where admitting[index].node == node { admitting[index].isLinkLost = true }
  }

  /// Whether other nodes may be asked for it now.
  var canAsk: Bool { count != nil && retryAt == nil }

  /// Whether the node may be asked for it.
  func admits(_ peer: FeedPeer) -> Bool { shunned[peer.node] == nil && peer.topic(among: topics) != nil }

  /// The nodes of which it is read: its writer if that one answers, else several that have messages of it, those first that
  /// give them.
  func chosen(writers: [NodeID], copies: [NodeID], at now: Instant) -> [NodeID] {
    if let writer = writers.first, sources[writer]?.answers(at: now) ?? true { return [writer] }
    // What is read of already stays, so that nodes that come and go do not make others change.
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
  /// Whether it has given everything, or gives messages.
  func answers(at now: Instant) -> Bool { isCaughtUp || now - heardAt < Following.Breadth.patience }
}

import Crypto
package import Primitives
package import Wire

/// Replicates feeds between nodes: which node has which feed, what to request from which, and what to send to which.
///
/// Each subfeed with a local reader is *followed*: read from its writer if that is linked, otherwise from other nodes
/// that have messages of it. Messages are checked and stored in the order of arrival. A subfeed that other nodes follow
/// here is *served*, to each from its own position; a node that reads nothing costs one pending read.
package struct FeedEngine: Sendable {
  /// How long a subfeed is followed after its last reader left: clients return again and again.
  package static let lingering: Duration = .seconds(60)
  /// How long to wait for a node's answer.
  package static let patience: Duration = .seconds(10)
  /// How long a node that does not know a feed, or sent wrong messages of it, is not asked again.
  package static let reconsideration: Duration = .seconds(30)
  /// How long to request nothing after messages could not be stored, as on a full disk.
  package static let storageRetry: Duration = .seconds(5)
  /// How long a node that sent only messages that are stored already, and fewer of them, is not asked again.
  static let lagging: Duration = .seconds(5)
  /// Most subscriptions of one peer.
  package static let maximumServed = 4_096
  /// Most queries and submissions of one peer that wait for this node's answer.
  package static let maximumPending = 256
  /// Batches of one subfeed passed to the store concurrently: one is checked while the previous one is written.
  static let admittedAtOnce = 2
  /// Bytes of messages forwarded immediately to a subscriber that has everything else.
  static let pushedBytes = 64 << 10
  /// How often to check for due work.
  private static let tick: Duration = .milliseconds(500)

  var peers: [NodeID: FeedPeer] = [:]
  var followed: [SubfeedKey: Following] = [:]
  var servedBy: [SubfeedKey: Set<Subscriber>] = [:]
  var lookups: [FeedLookupID: Subscriber] = [:]
  var reads: [FeedReadID: Subscriber] = [:]
  var seeks: [FeedSeekID: Seek] = [:]
  var submissions: [SubmitID: Submission] = [:]
  var lastNumber: UInt64 = 0
  /// How often the nodes to read a subfeed from were chosen: the expensive part of news. Tests use it to bound the cost
  /// of a message.
  package internal(set) var reviews: UInt64 = 0
  /// When each search and each submission times out.
  var seekDeadlines = Deadlines<FeedSeekID>()
  var submissionDeadlines = Deadlines<SubmitID>()
  private var tickAt: Instant?
  private var effects = EffectQueue<FeedEffect>()

  package init() {}

  /// Removes and returns the next effect; nil if there are no more until the next input.
  package mutating func nextEffect() -> FeedEffect? { effects.next() }

  mutating func emit(_ effect: FeedEffect) { effects.append(effect) }

  /// When to call `wake` next.
  package var wakeAt: Instant? {
    let isBusy = !followed.isEmpty || !seeks.isEmpty || !submissions.isEmpty
    return [isBusy ? tickAt : nil, seekDeadlines.next, submissionDeadlines.next].compactMap { $0 }.min()
  }

  /// The number of entries about subfeeds, clients and requests: 0 once no client reads, searches or asks. For tests.
  package var openEntries: Int {
    let ofPeers = peers.values.map { peer in
      peer.queries.count + peer.subscriptions.count + peer.submits.count + peer.served.count + peer.lookups.count
        + peer.pendingSubmissions
    }
    return followed.count + servedBy.count + lookups.count + reads.count + seeks.count + submissions.count
      + ofPeers.reduce(0, +)
  }

  /// Whether every search and submission has a deadline, and nothing else has. Tests check this after each input.
  package var keepsItsDeadlines: Bool {
    seeks.keys.allSatisfy { seekDeadlines[$0] != nil } && seekDeadlines.isEmpty == seeks.isEmpty
      && submissions.keys.allSatisfy { submissionDeadlines[$0] != nil }
      && submissionDeadlines.isEmpty == submissions.isEmpty && (wakeAt != nil || followed.isEmpty)
  }

  /// There is work: the first check for due work is immediate.
  mutating func startTicking(at now: Instant) { tickAt = tickAt ?? now }

  /// Does the work that is due.
  package mutating func wake(at now: Instant) {
    endSeeks(at: now)
    endSubmissions(at: now)
    if let tickAt, now < tickAt { return }
    tickAt = now + Self.tick
    dropSilent(at: now)
    for key in followed.keys.sorted() { reviewFollowing(key, at: now) }
  }

  // MARK: Peers

  /// A node was linked, or its permissions changed: the channels over which it may be asked for feeds.
  package mutating func setPeer(_ node: NodeID, topics: [Topic], binding: [UInt8], at now: Instant) {
    setPeers([(node, topics, binding)], at: now)
  }

  /// The same for several nodes: what one may no longer be asked for is not requested from another that is about to lose
  /// the same permission.
  package mutating func setPeers(_ permissions: [(node: NodeID, topics: [Topic], binding: [UInt8])], at now: Instant) {
    var changed: [(node: NodeID, before: [Topic])] = []
    for (node, topics, binding) in permissions
    where peers[node]?.topics != topics || peers[node]?.binding != binding {
      if let peer = peers[node], peer.binding != binding { peerLeft(node, at: now) }
      changed.append((node, peers[node]?.topics ?? []))
      peers[node, default: FeedPeer(node: node, binding: binding)].topics = topics
    }
    for (node, before) in changed { review(node, before: before, at: now) }
  }

  private mutating func review(_ node: NodeID, before: [Topic], at now: Instant) {
    for key in followed.keys.sorted() { review(node, for: key, before: before, at: now) }
    for id in seeks.keys.sorted() { if let feed = seeks[id]?.feed { ask(node, about: feed, at: now) } }
    for id in submissions.keys.sorted() {
      guard let submission = submissions[id], submission.sentTo == nil else { continue }
      if peers[node]?.knowledge[submission.key.feed] == .writer { send(id, at: now) }
      ask(node, about: submission.key.feed, at: now)
    }
  }

  /// The link to a node ended.
  package mutating func peerLeft(_ node: NodeID, at now: Instant) {
    guard let peer = peers.removeValue(forKey: node) else { return }
    // in any order: each removal is independent
    for (id, served) in peer.served { forget(Subscriber(node: node, id: id), of: served.key) }
    // in any order: each removal is independent
    for lookup in peer.lookups { lookups[lookup] = nil }
    if let read = peer.reading { reads[read] = nil }
    let affected = followed.filter { $0.value.involves(node) }.keys
    for key in affected.sorted() {
      followed[key]?.sources[node] = nil
      followed[key]?.shunned[node] = nil
      followed[key]?.gaps[node] = nil
      followed[key]?.backlog.removeAll { $0.node == node }
      followed[key]?.loseLink(to: node)
      pursue(key, at: now)
    }
    for id in peer.submits.values.sorted(by: { $0.number < $1.number }) { failSubmission(id, Self.writerLost) }
  }

  private static let writerLost = KacheryError(
    .disconnected,
    "The link to the node that writes the feed broke before it answered; the message may have been appended.")

  /// Stops serving a node over channels that no longer permit it.
  package mutating func withdraw(_ node: NodeID, where isWithdrawn: (Topic) -> Bool) {
    for (id, served) in (peers[node]?.served ?? [:]).sorted(by: { $0.key < $1.key }) where isWithdrawn(served.topic) {
      endServing(Subscriber(node: node, id: id))
      emit(.answer(node, .refused(id: id, .notAuthorized)))
    }
  }

  // MARK: Input from other nodes

  /// A node's request. `isPermitted` is whether the node may make it over the channel that it names.
  package mutating func received(_ request: FeedRequest, from node: NodeID, isPermitted: Bool) {
    guard peers[node] != nil else { return }
    switch request {
    case .query(let id, _, let feed):
      guard isPermitted else { return emit(.answer(node, .refused(id: id, .notAuthorized))) }
      lookUp(feed, for: Subscriber(node: node, id: id))
    case .subscribe(let id, let topic, let key, let position):
      guard isPermitted else { return emit(.answer(node, .refused(id: id, .notAuthorized))) }
      serve(Subscriber(node: node, id: id), key, over: topic, from: position)
    case .unsubscribe(let id): endServing(Subscriber(node: node, id: id))
    case .submit(let id, _, let key, let message):
      guard isPermitted else { return emit(.answer(node, .refused(id: id, .notAuthorized))) }
      takeSubmission(ForeignSubmission(node: node, id: id), key, message)
    }
  }

  /// A node's answer.
  package mutating func received(_ answer: FeedAnswer, from node: NodeID, at now: Instant) {
    switch answer {
    case .known(let id, let isHeld, let proof): learn(id, isHeld, proof, from: node, at: now)
    case .messages(let id, let position, let messages): take(messages, position, id, from: node, at: now)
    case .caughtUp(let id, _):
      guard let key = peers[node]?.subscriptions[id] else { return }
      followed[key]?.sources[node]?.hasAnswered = true
      followed[key]?.sources[node]?.isCaughtUp = true
    case .refused(let id, _): refused(id, by: node, at: now)
    case .submitted(let id):
      guard let submission = peers[node]?.submits.removeValue(forKey: id) else { return }
      endSubmission(submission, nil)
    case .rejected(let id, let reason):
      guard let submission = peers[node]?.submits.removeValue(forKey: id) else { return }
      endSubmission(submission, KacheryError(.refusedByPeer, reason))
    }
  }

  private mutating func refused(_ id: UInt32, by node: NodeID, at now: Instant) {
    if let feed = peers[node]?.queries.removeValue(forKey: id)?.feed {
      peers[node]?.knowledge[feed] = .unknown(since: now)
    } else if let key = peers[node]?.subscriptions[id] {
      shun(node, for: key, until: now + Self.reconsideration, at: now)
    } else if let submission = peers[node]?.submits.removeValue(forKey: id) {
      endSubmission(
        submission,
        KacheryError(.refusedByPeer, "The node that writes the feed refuses this one: it may not ask over the channel.")
      )
    }
  }
}

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
  /// Most subscriptions of one peer, on each of its links.
  package static let maximumServed = 4_096
  /// Most queries and submissions on one link that wait for this node's answer.
  package static let maximumPending = 256
  /// Batches of one subfeed passed to the store concurrently: one is checked while the previous one is written.
  static let admittedAtOnce = 2
  /// Bytes of messages forwarded immediately to a subscriber that has everything else.
  static let pushedBytes = 64 << 10
  /// How often to check for due work.
  private static let tick: Duration = .milliseconds(500)

  /// The linked nodes that may be asked.
  var peers: [NodeID: FeedPeer] = [:]
  /// The links over which nodes may ask.
  var links: [LinkID: FeedLink] = [:]
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
    let ofPeers = peers.values.map { $0.queries.count + $0.subscriptions.count + $0.submits.count }
    return followed.count + servedBy.count + lookups.count + reads.count + seeks.count
      + submissions.count
      + ofPeers.reduce(0, +) + links.values.reduce(0) { $0 + $1.openEntries }
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

  /// A node may ask over this link. It may do so over several.
  package mutating func linkOpened(_ link: LinkID, to node: NodeID, binding: [UInt8]) {
    links[link] = FeedLink(node: node, binding: binding)
  }

  /// Nodes were linked, their permissions changed, or another of their links is to be used: the link over which each is
  /// asked, and the channels over which it may be asked for feeds. What one may no longer be asked for is not requested
  /// from another that is about to lose the same permission.
  package mutating func setPeers(
    _ permissions: [(node: NodeID, channels: [AskableChannel], link: LinkID)], at now: Instant
  ) {
    var changed: [(node: NodeID, before: [Topic])] = []
    for (node, channels, link) in permissions where peers[node]?.channels != channels || peers[node]?.link != link {
      changed.append((node, peers[node]?.topics ?? []))
      peers[node, default: FeedPeer(node: node, link: link)].channels = channels
    }
    for (node, _, link) in permissions where peers[node]?.link != link { move(node, to: link, at: now) }
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

  /// Reads over another link of the node what is read from it, from the first message that has not come. What still
  /// comes over the old link is dropped.
  private mutating func move(_ node: NodeID, to link: LinkID, at now: Instant) {
    guard let peer = peers[node] else { return }
    peers[node]?.link = link
    peers[node]?.subscriptions = [:]
    for (id, key) in peer.subscriptions.sorted(by: { $0.key < $1.key }) {
      emit(.request(peer.link, .unsubscribe(id: id)))
      guard let source = followed[key]?.sources[node], let proof = peer.proof(of: source.topic),
        let position = followed[key]?.nextPosition(of: node), let next = peers[node]?.nextID()
      else {
        followed[key]?.sources[node] = nil
        continue
      }
      peers[node]?.subscriptions[next] = key
      followed[key]?.sources[node]?.renew(next, at: now)
      emit(.request(link, .subscribe(id: next, proof, key, position: position)))
    }
  }

  /// Nothing more comes over this link: queries are repeated over the one over which its node is asked now.
  package mutating func abandon(_ link: LinkID, at now: Instant) {
    guard let node = links[link]?.node, let peer = peers[node], peer.link != link else { return }
    for (id, query) in peer.queries.sorted(by: { $0.key < $1.key }) where query.link == link {
      peers[node]?.queries[id] = nil
      peers[node]?.knowledge[query.feed] = nil
      for key in followed.keys.sorted() where key.feed == query.feed { pursue(key, at: now) }
      let isSought = seeks.values.contains { $0.feed == query.feed }
      let isAwaited = submissions.values.contains { $0.key.feed == query.feed && $0.sentTo == nil }
      if isSought || isAwaited { ask(node, about: query.feed, at: now) }
    }
  }

  /// A link has ended. If its node has another one, that is in use already.
  package mutating func linkClosed(_ link: LinkID, at now: Instant) {
    abandon(link, at: now)
    guard let closed = links.removeValue(forKey: link) else { return }
    // in any order: each removal is independent
    for (id, served) in closed.served { forget(Subscriber(link: link, id: id), of: served.key) }
    // in any order: each removal is independent
    for lookup in closed.lookups { lookups[lookup] = nil }
    if let read = closed.reading { reads[read] = nil }
    for (id, submit) in (peers[closed.node]?.submits ?? [:]).sorted(by: { $0.key < $1.key })
    where submit.link == link {
      peers[closed.node]?.submits[id] = nil
      endSubmission(submit.id, Self.writerLost)
    }
  }

  /// Whether nothing is requested or served over the link.
  package func isIdle(_ link: LinkID) -> Bool {
    guard let state = links[link] else { return true }
    let peer = peers[state.node]
    return state.openEntries == 0 && peer?.queries.values.contains { $0.link == link } != true
      && peer?.submits.values.contains { $0.link == link } != true
  }

  /// The last link to a node ended.
  package mutating func peerLeft(_ node: NodeID, at now: Instant) {
    guard let peer = peers.removeValue(forKey: node) else { return }
    let affected = followed.filter { $0.value.involves(node) }.keys
    for key in affected.sorted() {
      followed[key]?.sources[node] = nil
      followed[key]?.shunned[node] = nil
      followed[key]?.gaps[node] = nil
      followed[key]?.backlog.removeAll { $0.node == node }
      pursue(key, at: now)
    }
    for submit in peer.submits.values.sorted(by: { $0.id < $1.id }) {
      endSubmission(submit.id, Self.writerLost)
    }
  }

  private static let writerLost = KacheryError(
    .disconnected,
    "The link to the node that writes the feed broke before it answered; the message may have been appended.")

  /// Stops serving a node over channels that no longer permit it.
  package mutating func withdraw(_ link: LinkID, where isWithdrawn: (ChannelProof) -> Bool) {
    for (id, served) in (links[link]?.served ?? [:]).sorted(by: { $0.key < $1.key })
    where isWithdrawn(served.channel) {
      endServing(Subscriber(link: link, id: id))
      emit(.answer(link, .refused(id: id, .notAuthorized)))
    }
  }

  // MARK: Input from other nodes

  /// A node's request. `isPermitted` is whether the node may make it over the channel that it names.
  package mutating func received(_ request: FeedRequest, over link: LinkID, isPermitted: Bool) {
    guard let node = links[link]?.node else { return }
    switch request {
    case .query(let id, _, let feed):
      guard isPermitted else { return emit(.answer(link, .refused(id: id, .notAuthorized))) }
      lookUp(feed, for: Subscriber(link: link, id: id))
    case .subscribe(let id, let channel, let key, let position):
      guard isPermitted else { return emit(.answer(link, .refused(id: id, .notAuthorized))) }
      serve(Subscriber(link: link, id: id), key, over: channel, from: position)
    case .unsubscribe(let id): endServing(Subscriber(link: link, id: id))
    case .submit(let id, _, let key, let message):
      guard isPermitted else { return emit(.answer(link, .refused(id: id, .notAuthorized))) }
      takeSubmission(ForeignSubmission(node: node, link: link, id: id), key, message)
    }
  }

  /// A node's answer.
  package mutating func received(_ answer: FeedAnswer, over link: LinkID, at now: Instant) {
    guard let node = links[link]?.node else { return }
    switch answer {
    case .known(let id, let isHeld, let proof): learn(id, isHeld, proof, over: link, at: now)
    case .messages(let id, let position, let statement, let messages):
      take(messages, position, statement, id, over: link, at: now)
    case .caughtUp(let id, _):
      guard let key = peers[node]?.subscriptions[id] else { return }
      followed[key]?.sources[node]?.hasAnswered = true
      followed[key]?.sources[node]?.isCaughtUp = true
    case .refused(let id, _): refused(id, by: node, at: now)
    case .submitted(let id):
      guard let submit = peers[node]?.submits.removeValue(forKey: id) else { return }
      endSubmission(submit.id, nil)
    case .rejected(let id, let reason):
      guard let submit = peers[node]?.submits.removeValue(forKey: id) else { return }
      endSubmission(submit.id, KacheryError(.refusedByPeer, reason))
    }
  }

  private mutating func refused(_ id: UInt32, by node: NodeID, at now: Instant) {
    if let feed = peers[node]?.queries.removeValue(forKey: id)?.feed {
      peers[node]?.knowledge[feed] = .unknown(since: now)
    } else if let key = peers[node]?.subscriptions[id] {
      shun(node, for: key, until: now + Self.reconsideration, at: now)
    } else if let submit = peers[node]?.submits.removeValue(forKey: id) {
      endSubmission(
        submit.id,
        KacheryError(
          .refusedByPeer,
          "The node that writes the feed refuses this one: it may not ask over the channel.")
      )
    }
  }
}

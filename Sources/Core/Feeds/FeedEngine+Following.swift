import Crypto
package import Primitives
import Wire

/// Reading feeds from other nodes.
extension FeedEngine {
  /// A local reader wants the messages of a subfeed, over this channel or, if nil, over any.
  package mutating func follow(_ key: SubfeedKey, over topic: Topic?, at now: Instant) {
    if followed[key] == nil {
      followed[key] = Following(topics: TopicFilter(topic), at: now)
      startTicking(at: now)
      emit(.work(.count(key)))
    }
    followed[key]?.topics.add(topic)
    followed[key]?.readers += 1
    followed[key]?.unreadSince = nil
    pursue(key, at: now)
  }

  /// A local reader is gone. Others may follow soon, so the subfeed is followed for a while longer.
  package mutating func unfollow(_ key: SubfeedKey, at now: Instant) {
    guard let following = followed[key] else { return }
    followed[key]?.readers = max(0, following.readers - 1)
    if following.readers <= 1 { followed[key]?.unreadSince = now }
  }

  /// The number of stored messages of the subfeed.
  package mutating func counted(_ key: SubfeedKey, _ count: UInt64, at now: Instant) {
    followed[key]?.count = count
    pursue(key, at: now)
  }

  /// All messages of the feed were deleted here.
  package mutating func forget(_ feed: FeedID, at now: Instant) {
    for key in followed.keys.sorted() where key.feed == feed {
      for node in followed[key]?.sources.keys.sorted() ?? [] { drop(node, from: key, at: now) }
      followed[key]?.count = nil
      emit(.work(.count(key)))
    }
  }

  // MARK: Choosing sources

  /// Queries all nodes that may know the feed, and reads it from the best ones that do.
  mutating func pursue(_ key: SubfeedKey, at now: Instant) {
    guard let following = followed[key], following.canAsk else { return }
    reviews += 1
    var writers: [NodeID] = []
    var copies: [NodeID] = []
    for peer in peers.values.filter({ following.admits($0) }).sorted(by: { $0.node < $1.node }) {
      switch peer.knowledge[key.feed] {
      case .writer: writers.append(peer.node)
      case .copy: copies.append(peer.node)
      case .asked, .unknown, nil: askIfUnknown(peer.node, for: key, following.topics, at: now)
      }
    }
    let chosen = following.chosen(writers: writers, copies: copies, at: now)
    for node in following.sources.keys.sorted() where !chosen.contains(node) { drop(node, from: key, at: now) }
    for node in chosen where following.sources[node] == nil { subscribe(to: key, at: node, at: now) }
  }

  /// The permissions of one node have changed. This affects the other nodes only if the node is known to have the feed.
  mutating func review(_ node: NodeID, for key: SubfeedKey, before: [Topic], at now: Instant) {
    guard let following = followed[key], let peer = peers[node] else { return }
    if let source = following.sources[node], !peer.topics.contains(source.topic) {
      drop(node, from: key, at: now)
      return pursue(key, at: now)
    }
    guard following.canAsk, following.admits(peer), !before.contains(where: following.topics.admits) else { return }
    switch peer.knowledge[key.feed] {
    case .writer, .copy: pursue(key, at: now)
    case .asked, .unknown, nil: askIfUnknown(node, for: key, following.topics, at: now)
    }
  }

  private mutating func askIfUnknown(_ node: NodeID, for key: SubfeedKey, _ topics: TopicFilter, at now: Instant) {
    switch peers[node]?.knowledge[key.feed] {
    case .writer, .copy, .asked: break
    case .unknown(let since) where now < since + Self.reconsideration: break
    case .unknown, nil: query(key.feed, of: node, over: topics, at: now)
    }
  }

  mutating func query(_ feed: FeedID, of node: NodeID, over topics: TopicFilter, at now: Instant) {
    guard let peer = peers[node], let channel = peer.channel(among: topics),
      let id = peers[node]?.nextID()
    else { return }
    peers[node]?.queries[id] = FeedPeer.Query(feed: feed, link: peer.link, sentAt: now)
    peers[node]?.knowledge[feed] = .asked
    emit(.request(peer.link, .query(id: id, channel.proof, feed)))
  }

  private mutating func subscribe(to key: SubfeedKey, at node: NodeID, at now: Instant) {
    guard let following = followed[key], let count = following.count,
      let peer = peers[node], let channel = peer.channel(among: following.topics),
      let id = peers[node]?.nextID()
    else { return }
    peers[node]?.subscriptions[id] = key
    followed[key]?.sources[node] = Following.Source(id: id, topic: channel.topic, at: now)
    emit(.request(peer.link, .subscribe(id: id, channel.proof, key, position: count)))
  }

  /// Stops reading a subfeed from this node.
  mutating func drop(_ node: NodeID, from key: SubfeedKey, at now: Instant) {
    guard let source = followed[key]?.sources.removeValue(forKey: node) else { return }
    peers[node]?.subscriptions[source.id] = nil
    if let link = peers[node]?.link { emit(.request(link, .unsubscribe(id: source.id))) }
    for batch in followed[key]?.backlog ?? [] where batch.node == node {
      emit(.released(batch.link, bytes: batch.bytes))
    }
    followed[key]?.backlog.removeAll { $0.node == node }
  }

  /// As long as the node stays linked.
  private static let forGood = Instant(nanoseconds: .max)

  /// Stops asking this node for a while.
  mutating func shun(_ node: NodeID, for key: SubfeedKey, until: Instant, at now: Instant) {
    drop(node, from: key, at: now)
    followed[key]?.shunned[node] = until
    pursue(key, at: now)
  }

  /// A node reports what it has of a feed.
  mutating func learn(
    _ id: UInt32, _ isHeld: Bool, _ proof: Signature?, over link: LinkID, at now: Instant
  ) {
    guard let (node, binding) = links[link].map({ ($0.node, $0.binding) }),
      let feed = peers[node]?.queries.removeValue(forKey: id)?.feed
    else { return }
    let statement = FeedAnswer.writerStatement(feed, binding: binding)
    let isWriter = proof.map { NodeID(feed).verify(signature: $0.bytes, of: statement) } ?? false
    peers[node]?.knowledge[feed] = isWriter ? .writer : isHeld ? .copy(since: now) : .unknown(since: now)
    for key in followed.keys.sorted() where key.feed == feed { pursue(key, at: now) }
    settleSeeks(of: feed, at: now)
    for id in submissions.keys.sorted(by: { $0.number < $1.number }) { send(id, at: now) }
  }

  // MARK: Received messages

  mutating func take(
    _ messages: [[UInt8]], _ position: UInt64, _ statement: SubfeedStatement, _ subscription: UInt32,
    over link: LinkID, at now: Instant
  ) {
    guard let node = links[link]?.node else { return }
    lastNumber += 1
    let id = MessageBatchID(number: lastNumber)
    let batch = Following.Batch(
      id: id, node: node, link: link, position: position, statement: statement, messages: messages)
    guard let key = peers[node]?.subscriptions[subscription], followed[key]?.sources[node] != nil,
      !position.addingReportingOverflow(UInt64(messages.count)).overflow
    else { return emit(.released(link, bytes: batch.bytes)) }
    followed[key]?.sources[node]?.hasAnswered = true
    followed[key]?.sources[node]?.isCaughtUp = false
    followed[key]?.sources[node]?.heardAt = now
    followed[key]?.backlog.append(batch)
    admitNext(key, at: now)
  }

  private mutating func admitNext(_ key: SubfeedKey, at now: Instant) {
    while let following = followed[key], following.admitting.count < Self.admittedAtOnce,
      var batch = following.backlog.first
    {
      // Messages of another node may turn out not to be the feed's; these are then needed.
      if let last = following.admitting.last, last.node != batch.node || batch.position != last.end { return }
      let expected = following.admitting.last?.end ?? following.count ?? 0
      followed[key]?.backlog.removeFirst()
      // Messages from other nodes may be stored already. A batch with some new messages is compared nevertheless: that
      // reveals forks.
      guard following.count != nil, batch.end > expected else {
        emit(.released(batch.link, bytes: batch.bytes))
        if batch.end < expected { cameLate(batch, of: key, at: now) }
        continue
      }
      guard batch.position <= expected else {
        emit(.released(batch.link, bytes: batch.bytes))
        leftOut(batch.node, of: key, at: now)
        continue
      }
      batch.expected = expected
      followed[key]?.admitting.append(batch)
      emit(.work(.admit(batch.id, key, position: batch.position, batch.statement, batch.messages)))
    }
  }

  /// The node sent messages that others have sent before, and is behind them: it may catch up, unless it keeps lagging.
  private mutating func cameLate(_ batch: Following.Batch, of key: SubfeedKey, at now: Instant) {
    followed[key]?.sources[batch.node]?.lateBytes += batch.bytes
    guard let late = followed[key]?.sources[batch.node]?.lateBytes, late >= Following.Breadth.much else { return }
    shun(batch.node, for: key, until: now + Self.lagging, at: now)
  }

  /// Something is missing before the node's messages, as after messages could not be stored here: asks the node once
  /// more, from this node's position.
  private mutating func leftOut(_ node: NodeID, of key: SubfeedKey, at now: Instant) {
    let gaps = (followed[key]?.gaps[node] ?? 0) + 1
    followed[key]?.gaps[node] = gaps
    guard gaps == 1 else { return shun(node, for: key, until: now + Self.reconsideration, at: now) }
    drop(node, from: key, at: now)
    pursue(key, at: now)
  }

  /// The store reports the outcome of messages that were to be stored.
  package mutating func admitted(_ id: MessageBatchID, _ key: SubfeedKey, _ outcome: MessagesOutcome, at now: Instant) {
    guard let following = followed[key], let index = following.admitting.firstIndex(where: { $0.id == id }) else {
      return
    }
    let batch = following.admitting[index]
    followed[key]?.admitting.remove(at: index)
    emit(.released(batch.link, bytes: batch.bytes))
    switch outcome {
    case .kept(let count):
      followed[key]?.count = max(count, following.count ?? 0)
      guard count > batch.expected else { break }
      followed[key]?.sources[batch.node]?.gaveAt = now
      followed[key]?.sources[batch.node]?.lateBytes = 0
      followed[key]?.breadth.received(batch.bytes)
      followed[key]?.gaps = [:]
    case .invalid:
      emit(.event(.misbehaved(key, batch.node)))
      shun(batch.node, for: key, until: Self.forGood, at: now)
    case .forked(let number):
      emit(.event(.forked(key, number: number, toldBy: batch.node)))
      shun(batch.node, for: key, until: Self.forGood, at: now)
    case .failed:
      followed[key]?.retryAt = now + Self.storageRetry
      for node in followed[key]?.sources.keys.sorted() ?? [] { drop(node, from: key, at: now) }
    }
    admitNext(key, at: now)
  }

  // MARK: Time

  /// Ends requests that were not answered in time.
  mutating func dropSilent(at now: Instant) {
    for node in peers.keys.sorted() {
      let silent = (peers[node]?.queries ?? [:]).filter { $0.value.sentAt + Self.patience <= now }
      for (id, query) in silent.sorted(by: { $0.key < $1.key }) {
        peers[node]?.queries[id] = nil
        peers[node]?.knowledge[query.feed] = .unknown(since: now)
      }
    }
  }

  mutating func reviewFollowing(_ key: SubfeedKey, at now: Instant) {
    guard let following = followed[key] else { return }
    if let since = following.unreadSince, since + Self.lingering <= now, following.admitting.isEmpty {
      for node in following.sources.keys.sorted() { drop(node, from: key, at: now) }
      followed[key] = nil
      return
    }
    if let retryAt = following.retryAt, retryAt <= now { followed[key]?.retryAt = nil }
    followed[key]?.shunned = following.shunned.filter { $0.value > now }
    for node in following.sources.keys.sorted() {
      guard let source = following.sources[node], !source.hasAnswered, source.askedAt + Self.patience <= now else {
        continue
      }
      shun(node, for: key, until: now + Self.reconsideration, at: now)
    }
    followed[key]?.breadth.review(at: now)
    pursue(key, at: now)
  }
}

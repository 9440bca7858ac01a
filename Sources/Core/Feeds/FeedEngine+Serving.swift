package import Crypto
package import Primitives
import Wire

/// Serving feeds to other nodes.
extension FeedEngine {
  mutating func lookUp(_ feed: FeedID, for asker: Subscriber) {
    guard let peer = peers[asker.node], peer.lookups.count < Self.maximumPending else {
      return emit(.answer(asker.node, .refused(id: asker.id, .limitReached)))
    }
    lastNumber += 1
    let lookup = FeedLookupID(number: lastNumber)
    peers[asker.node]?.lookups.insert(lookup)
    lookups[lookup] = asker
    emit(.work(.lookUp(lookup, feed, binding: peer.binding)))
  }

  /// The store reports whether it has the feed; with a proof if this node writes it.
  package mutating func lookedUp(_ lookup: FeedLookupID, isHeld: Bool, proof: Signature?) {
    guard let asker = lookups.removeValue(forKey: lookup) else { return }
    peers[asker.node]?.lookups.remove(lookup)
    emit(.answer(asker.node, .known(id: asker.id, isHeld: isHeld, proof: proof)))
  }

  mutating func serve(_ subscriber: Subscriber, _ key: SubfeedKey, over topic: Topic, from position: UInt64) {
    guard let peer = peers[subscriber.node] else { return }
    guard peer.served.count < Self.maximumServed else {
      return emit(.answer(subscriber.node, .refused(id: subscriber.id, .limitReached)))
    }
    endServing(subscriber)
    peers[subscriber.node]?.served[subscriber.id] = Served(key: key, topic: topic, position: position)
    servedBy[key, default: []].insert(subscriber)
    peers[subscriber.node]?.turns.append(subscriber.id)
    readNext(for: subscriber.node)
  }

  mutating func endServing(_ subscriber: Subscriber) {
    guard let served = peers[subscriber.node]?.served.removeValue(forKey: subscriber.id) else { return }
    peers[subscriber.node]?.turns.removeAll { $0 == subscriber.id }
    forget(subscriber, of: served.key)
  }

  mutating func forget(_ subscriber: Subscriber, of key: SubfeedKey) {
    servedBy[key]?.remove(subscriber)
    if servedBy[key]?.isEmpty == true { servedBy[key] = nil }
  }

  /// Reads the next messages for a node, once the last ones were sent.
  private mutating func readNext(for node: NodeID) {
    guard let peer = peers[node], peer.reading == nil, !peer.isBlocked, let id = peer.turns.first,
      let served = peer.served[id]
    else { return }
    peers[node]?.turns.removeFirst()
    peers[node]?.served[id]?.hasMore = false
    lastNumber += 1
    let read = FeedReadID(number: lastNumber)
    peers[node]?.reading = read
    reads[read] = Subscriber(node: node, id: id)
    emit(.work(.read(read, served.key, position: served.position)))
  }

  /// Messages were read for another node; nil if they could not be read.
  package mutating func messagesRead(_ read: FeedReadID, _ messages: [[UInt8]]?) {
    guard let subscriber = reads.removeValue(forKey: read) else { return }
    let node = subscriber.node
    peers[node]?.reading = nil
    defer { readNext(for: node) }
    guard let served = peers[node]?.served[subscriber.id] else { return }
    guard let messages else {
      endServing(subscriber)
      return emit(.answer(node, .refused(id: subscriber.id, .unreadable)))
    }
    guard messages.isEmpty else {
      send(messages, to: subscriber)
      peers[node]?.turns.append(subscriber.id)
      return
    }
    guard !served.hasMore else { return peers[node]?.turns.append(subscriber.id) ?? () }
    peers[node]?.served[subscriber.id]?.isAtEnd = true
    emit(.answer(node, .caughtUp(id: subscriber.id, count: served.position)))
  }

  private mutating func send(_ messages: [[UInt8]], to subscriber: Subscriber) {
    guard let served = peers[subscriber.node]?.served[subscriber.id] else { return }
    peers[subscriber.node]?.isBlocked = true
    peers[subscriber.node]?.served[subscriber.id]?.position += UInt64(messages.count)
    emit(.answer(subscriber.node, .messages(id: subscriber.id, position: served.position, messages)))
  }

  /// The last messages for this node were sent: it may get more.
  package mutating func sent(to node: NodeID) {
    peers[node]?.isBlocked = false
    readNext(for: node)
  }

  /// New messages of a subfeed are on the disk, the first of them with this number.
  package mutating func appended(_ messages: [[UInt8]], to key: SubfeedKey, position: UInt64) {
    if let count = followed[key]?.count { followed[key]?.count = max(count, position + UInt64(messages.count)) }
    guard let subscribers = servedBy[key] else { return }
    let isSmall = messages.reduce(0) { $0 + $1.count } <= Self.pushedBytes
    for subscriber in subscribers.sorted() {
      guard let peer = peers[subscriber.node], let served = peer.served[subscriber.id] else { continue }
      guard served.isAtEnd else {
        peers[subscriber.node]?.served[subscriber.id]?.hasMore = true
        continue
      }
      if isSmall, served.position == position, !peer.isBlocked {
        send(messages, to: subscriber)
        continue
      }
      peers[subscriber.node]?.served[subscriber.id]?.isAtEnd = false
      peers[subscriber.node]?.turns.append(subscriber.id)
      readNext(for: subscriber.node)
    }
  }

  // MARK: Submissions

  mutating func takeSubmission(_ submission: ForeignSubmission, _ key: SubfeedKey, _ message: [UInt8]) {
    guard let peer = peers[submission.node], peer.pendingSubmissions < Self.maximumPending else {
      return emit(.answer(submission.node, .refused(id: submission.id, .limitReached)))
    }
    peers[submission.node]?.pendingSubmissions += 1
    emit(.work(.append(submission, key, message: message)))
  }

  /// Another node's message was appended, or was not, for this reason.
  package mutating func submissionEnded(_ submission: ForeignSubmission, _ reason: String?) {
    guard let pending = peers[submission.node]?.pendingSubmissions, pending > 0 else { return }
    peers[submission.node]?.pendingSubmissions -= 1
    emit(
      .answer(
        submission.node, reason.map { .rejected(id: submission.id, reason: $0) } ?? .submitted(id: submission.id)))
  }
}

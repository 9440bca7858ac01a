package import Crypto
package import Primitives
import Wire

/// Serving feeds to other nodes.
extension FeedEngine {
  mutating func lookUp(_ feed: FeedID, for asker: Subscriber) {
    guard let link = links[asker.link], link.lookups.count < Self.maximumPending else {
      return emit(.answer(asker.link, .refused(id: asker.id, .limitReached)))
    }
    lastNumber += 1
    let lookup = FeedLookupID(number: lastNumber)
    links[asker.link]?.lookups.insert(lookup)
    lookups[lookup] = asker
    emit(.work(.lookUp(lookup, feed, binding: link.binding)))
  }

  /// The store reports whether it has the feed; with a proof if this node writes it.
  package mutating func lookedUp(_ lookup: FeedLookupID, isHeld: Bool, proof: Signature?) {
    guard let asker = lookups.removeValue(forKey: lookup) else { return }
    links[asker.link]?.lookups.remove(lookup)
    emit(.answer(asker.link, .known(id: asker.id, isHeld: isHeld, proof: proof)))
  }

  /// The store cannot say whether it has the feed: the peer gets no answer, rather than a wrong one.
  package mutating func lookUpFailed(_ lookup: FeedLookupID) {
    guard let asker = lookups.removeValue(forKey: lookup) else { return }
    links[asker.link]?.lookups.remove(lookup)
  }

  mutating func serve(
    _ subscriber: Subscriber, _ key: SubfeedKey, over channel: ChannelProof, from position: UInt64
  ) {
    guard let link = links[subscriber.link] else { return }
    guard link.served.count < Self.maximumServed else {
      return emit(.answer(subscriber.link, .refused(id: subscriber.id, .limitReached)))
    }
    endServing(subscriber)
    links[subscriber.link]?.served[subscriber.id] = Served(
      key: key, channel: channel, position: position)
    servedBy[key, default: []].insert(subscriber)
    links[subscriber.link]?.turns.append(subscriber.id)
    readNext(over: subscriber.link)
  }

  mutating func endServing(_ subscriber: Subscriber) {
    guard let served = links[subscriber.link]?.served.removeValue(forKey: subscriber.id) else {
      return
    }
    links[subscriber.link]?.turns.removeAll { $0 == subscriber.id }
    forget(subscriber, of: served.key)
  }

  mutating func forget(_ subscriber: Subscriber, of key: SubfeedKey) {
    servedBy[key]?.remove(subscriber)
    if servedBy[key]?.isEmpty == true { servedBy[key] = nil }
  }

  /// Reads the next messages for a link, once the last ones were sent.
  private mutating func readNext(over link: LinkID) {
    guard let state = links[link], state.reading == nil, !state.isBlocked,
      let id = state.turns.first,
      let served = state.served[id]
    else { return }
    links[link]?.turns.removeFirst()
    links[link]?.served[id]?.hasMore = false
    lastNumber += 1
    let read = FeedReadID(number: lastNumber)
    links[link]?.reading = read
    reads[read] = Subscriber(link: link, id: id)
    emit(.work(.read(read, served.key, position: served.position)))
  }

  /// Messages were read for another node.
  package mutating func messagesRead(_ read: FeedReadID, _ outcome: ReadMessages) {
    guard let subscriber = reads.removeValue(forKey: read) else { return }
    let link = subscriber.link
    links[link]?.reading = nil
    defer { readNext(over: link) }
    guard let served = links[link]?.served[subscriber.id] else { return }
    guard case .read(let messages, let statement) = outcome else {
      endServing(subscriber)
      var reason = Refusal.unreadable
      if case .unproven = outcome { reason = .unproven }
      return emit(.answer(link, .refused(id: subscriber.id, reason)))
    }
    links[link]?.served[subscriber.id]?.statement = statement
    guard messages.isEmpty else {
      send(messages, to: subscriber)
      links[link]?.turns.append(subscriber.id)
      return
    }
    guard !served.hasMore else { return links[link]?.turns.append(subscriber.id) ?? () }
    links[link]?.served[subscriber.id]?.isAtEnd = true
    emit(.answer(link, .caughtUp(id: subscriber.id, count: served.position)))
  }

  private mutating func send(_ messages: [[UInt8]], to subscriber: Subscriber) {
    guard let served = links[subscriber.link]?.served[subscriber.id], let statement = served.statement else { return }
    links[subscriber.link]?.isBlocked = true
    links[subscriber.link]?.served[subscriber.id]?.position += UInt64(messages.count)
    emit(
      .answer(subscriber.link, .messages(id: subscriber.id, position: served.position, statement, messages)))
  }

  /// The last messages for this link were sent: it may get more.
  package mutating func sent(over link: LinkID) {
    links[link]?.isBlocked = false
    readNext(over: link)
  }

  /// New messages of a subfeed are on the disk, the first of them with this number.
  package mutating func appended(_ messages: [[UInt8]], to key: SubfeedKey, position: UInt64) {
    if let count = followed[key]?.count { followed[key]?.count = max(count, position + UInt64(messages.count)) }
    guard let subscribers = servedBy[key] else { return }
    let isSmall = messages.reduce(0) { $0 + $1.count } <= Self.pushedBytes
    for subscriber in subscribers.sorted() {
      guard let link = links[subscriber.link], let served = link.served[subscriber.id] else {
        continue
      }
      guard served.isAtEnd else {
        links[subscriber.link]?.served[subscriber.id]?.hasMore = true
        continue
      }
      // The first message of a subfeed is read, and with it the statement.
      if isSmall, served.position == position, served.statement != nil, !link.isBlocked {
        send(messages, to: subscriber)
        continue
      }
      links[subscriber.link]?.served[subscriber.id]?.isAtEnd = false
      links[subscriber.link]?.turns.append(subscriber.id)
      readNext(over: subscriber.link)
    }
  }

  // MARK: Submissions

  mutating func takeSubmission(
    _ submission: ForeignSubmission, _ key: SubfeedKey, _ message: [UInt8]
  ) {
    guard let link = links[submission.link], link.pendingSubmissions < Self.maximumPending else {
      return emit(.answer(submission.link, .refused(id: submission.id, .limitReached)))
    }
    links[submission.link]?.pendingSubmissions += 1
    emit(.work(.append(submission, key, message: message)))
  }

  /// Another node's message was appended, or was not, for this reason.
  package mutating func submissionEnded(_ submission: ForeignSubmission, _ reason: String?) {
    guard let pending = links[submission.link]?.pendingSubmissions, pending > 0 else { return }
    links[submission.link]?.pendingSubmissions -= 1
    emit(
      .answer(
        submission.link,
        reason.map { .rejected(id: submission.id, reason: $0) } ?? .submitted(id: submission.id)))
  }
}

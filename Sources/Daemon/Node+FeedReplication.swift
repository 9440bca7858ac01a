import APIModel
import Crypto
import FeedStore
import Feeds
import NodeCore
import Primitives
import Wire

/// Carries out what the engine of feeds wants.
extension Node {
  /// Bytes of messages in one answer: enough that a reader who catches up waits for few of them, and little memory.
  private static let answerBytes = 512 << 10
  /// Messages that are worth a thread of their own: as many signatures are checked together at little cost for each.
  private static let checkedTogether = 256

  func perform(_ effect: FeedEffect) {
    switch effect {
    case .count(let key): count(key)
    case .admit(let id, let key, let position, let messages): check(id, messages, from: position, of: key)
    case .lookUp(let lookup, let feed, let binding): lookUp(lookup, feed, binding)
    case .read(let read, let key, let position): self.read(read, key, position)
    case .append(let submission, let key, let message): append(submission, key, message)
    case .sought(let id, let whereabouts): seekers.removeValue(forKey: id)?.resume(returning: whereabouts)
    case .submitted(let id, let error): submitters.removeValue(forKey: id)?.resume(returning: error)
    case .event(let event): note(event)
    // The node's core has turned these into effects of links.
    case .request, .answer, .released: break
    }
  }

  private func note(_ event: FeedEvent) {
    switch event {
    case .misbehaved(let key, let node):
      log.warning("Node \(node.short) gave messages of \(key) that are not the feed's; they were dropped.")
    case .forked(let key, let number, let node):
      log.error(
        "The feed \(key.feed) has two histories: message \(number) of \(key) as node \(node.short) has it contradicts "
          + "the one that is here. Both were signed with the feed's key; the one from there was kept apart.")
    }
  }

  // MARK: Reading from other nodes

  private func count(_ key: SubfeedKey) {
    loop.work { [feeds] in
      (try? feeds.count(key)) ?? 0
    } then: { count in
      self.input { core, now in core.feeds(at: now) { $0.counted(key, count, at: $1) } }
    }
  }

  /// Has signatures checked, by two threads where there are many, then keeps the messages.
  private func check(_ id: MessageBatchID, _ messages: [[UInt8]], from position: UInt64, of key: SubfeedKey) {
    let size = max(Self.checkedTogether, (messages.count + 1) / 2)
    let starts = Array(stride(from: 0, to: messages.count, by: size))
    messageChecks[id] = MessageCheck(parts: starts.count)
    checkOrder[key, default: []].append(id)
    for (index, start) in starts.enumerated() {
      let part = Array(messages[start..<min(start + size, messages.count)])
      let number = position + UInt64(start)
      loop.work {
        Self.check(part, from: number, of: key.feed)
      } then: { signed in
        self.messageChecks[id]?.set(part: signed, at: index)
        self.keepChecked(of: key)
      }
    }
  }

  /// Keeps what has been checked, in the order in which it came.
  private func keepChecked(of key: SubfeedKey) {
    while let id = checkOrder[key]?.first, let check = messageChecks[id], check.isComplete {
      checkOrder[key]?.removeFirst()
      if checkOrder[key]?.isEmpty == true { checkOrder[key] = nil }
      messageChecks[id] = nil
      keep(id, check.messages, of: key)
    }
  }

  /// The messages, where each is the feed's and in its place; nil where one is not.
  private static nonisolated func check(
    _ messages: [[UInt8]], from position: UInt64, of feed: FeedID
  ) -> [SignedMessage]? {
    guard let verifier = try? VerifyingKey(NodeID(feed)) else { return nil }
    var checked: [SignedMessage] = []
    for text in messages {
      guard let message = try? SignedMessage(text), message.number == position + UInt64(checked.count) else {
        return nil
      }
      checked.append(message)
    }
    return verifier.firstInvalid(in: checked.map(\.signed)) == nil ? checked : nil
  }

  private func keep(_ id: MessageBatchID, _ messages: [SignedMessage]?, of key: SubfeedKey) {
    guard let messages else { return admitted(id, key, .invalid) }
    feeds.admit(messages, to: key) { [loop] outcome in
      loop.post { self.assumeIsolated { $0.kept(id, outcome, of: key) } }
    }
  }

  private func kept(_ id: MessageBatchID, _ outcome: Result<MessageAdmission, KacheryError>, of key: SubfeedKey) {
    switch outcome {
    case .failure(let error):
      log.error("Messages of \(key) could not be kept: \(error)")
      admitted(id, key, .failed(error))
    case .success(let admission):
      noteAppended(admission.kept, to: key)
      admitted(id, key, admission.fork.map { .forked(at: $0) } ?? .kept(count: admission.count))
    }
  }

  private func admitted(_ id: MessageBatchID, _ key: SubfeedKey, _ outcome: MessagesOutcome) {
    input { core, now in core.feeds(at: now) { $0.admitted(id, key, outcome, at: $1) } }
  }

  // MARK: What other nodes ask

  private func lookUp(_ lookup: FeedLookupID, _ feed: FeedID, _ binding: [UInt8]) {
    loop.work { [feeds] in
      let key = try? feeds.key(of: feed)
      let proof = key.flatMap { Signature(bytes: $0.sign(FeedAnswer.writerStatement(feed, binding: binding))) }
      return (isHeld: proof != nil || (try? feeds.isKnown(feed)) ?? false, proof: proof)
    } then: { found in
      self.input { core, now in
        core.feeds(at: now) { engine, _ in engine.lookedUp(lookup, isHeld: found.isHeld, proof: found.proof) }
      }
    }
  }

  private func read(_ read: FeedReadID, _ key: SubfeedKey, _ position: UInt64) {
    loop.work { [feeds] in
      try? feeds.messages(of: key, from: position, count: FeedAnswer.maximumMessages, bytes: Self.answerBytes)
    } then: { messages in
      self.input { core, now in core.feeds(at: now) { engine, _ in engine.messagesRead(read, messages) } }
    }
  }

  /// Appends what another node submits, where the rules of the subfeed let it.
  private func append(_ submission: ForeignSubmission, _ key: SubfeedKey, _ message: [UInt8]) {
    loop.work { [feeds] in
      Result { () throws(KacheryError) in try Self.permitted(message, from: submission.node, key, in: feeds) }
    } then: { permitted in
      switch permitted {
      case .failure(let error): self.answer(submission, error.message)
      case .success(let message):
        self.feeds.append([message], to: key, at: self.now.wall) { [loop = self.loop] outcome in
          loop.post { self.assumeIsolated { $0.appended(outcome, of: submission, to: key) } }
        }
      }
    }
  }

  private static nonisolated func permitted(
    _ text: [UInt8], from node: NodeID, _ key: SubfeedKey, in feeds: FeedStore
  ) throws(KacheryError) -> JSONObject {
    guard try feeds.isWriteable(key.feed) else {
      throw KacheryError(.forbidden, "The node that was asked does not write the feed \(key.feed).")
    }
    guard try feeds.rules(of: key).permitsWriting(by: node) else {
      throw KacheryError(
        .forbidden,
        "The feed's owner has not let node \(node) write to \(key); it takes a rule in the subfeed's access rules.")
    }
    guard let message = (try? JSONParser.parse(text))?.object else {
      throw KacheryError(.badRequest, "What was submitted is no JSON object.")
    }
    return message
  }

  private func appended(
    _ outcome: Result<[SignedMessage], KacheryError>, of submission: ForeignSubmission, to key: SubfeedKey
  ) {
    switch outcome {
    case .failure(let error): answer(submission, error.message)
    case .success(let signed):
      noteAppended(signed, to: key)
      answer(submission, nil)
    }
  }

  private func answer(_ submission: ForeignSubmission, _ reason: String?) {
    input { core, now in core.feeds(at: now) { engine, _ in engine.submissionEnded(submission, reason) } }
  }
}

/// Messages that several threads check, a part each.
struct MessageCheck {
  private var parts: [[SignedMessage]?]
  private var remaining: Int

  init(parts count: Int) {
    parts = [[SignedMessage]?](repeating: nil, count: count)
    remaining = count
  }

  /// Keeps what came of one part.
  mutating func set(part: [SignedMessage]?, at index: Int) {
    parts[index] = part
    remaining -= 1
  }

  var isComplete: Bool { remaining == 0 }

  /// All messages, where every part was good.
  var messages: [SignedMessage]? { parts.contains { $0 == nil } ? nil : parts.flatMap { $0 ?? [] } }
}

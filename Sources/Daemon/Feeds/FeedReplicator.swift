import APIModel
import Crypto
import Diagnostics
import EventLoop
import FeedStore
import Feeds
import NodeCore
import Primitives
import Wire

/// Stores messages from other nodes, and serves their requests to read and append. Bound to the loop.
final class FeedReplicator {
  /// Message bytes per answer: large enough that a reader catching up needs few answers, small enough for memory.
  private static let answerBytes = 512 << 10
  /// Messages that justify another thread: signatures are cheap to check in batches of this size.
  private static let checkedTogether = 256

  /// When to count the messages of a subfeed again after the database failed.
  private static let countAgain: Duration = .seconds(10)
  /// How long not to look for the same statement again, and for how many statements to look in that time.
  private static let seekPause: Duration = .seconds(600)
  private static let maximumSought = 1_000

  /// Called when new messages of a subfeed are on disk.
  var onKept: ([SignedMessage], SubfeedKey) -> Void = { _, _ in }

  private let feeds: FeedStore
  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private var checks: [MessageBatchID: MessageCheck] = [:]
  private var checkOrder: [SubfeedKey: [MessageBatchID]] = [:]
  /// When statements that are missing here were looked for. Two nodes that both lack one must not keep each other busy.
  private var soughtStatements: [SubfeedKey: Instant] = [:]

  init(_ feeds: FeedStore, driver: CoreDriver, loop: EventLoop, log: Log) {
    self.feeds = feeds
    self.driver = driver
    self.loop = loop
    self.log = log
  }

  func perform(_ work: FeedWork) {
    switch work {
    case .count(let key): count(key)
    case .admit(let id, let key, let position, let statement, let messages):
      check(id, messages, statement, from: position, of: key)
    case .lookUp(let lookup, let feed, let binding): lookUp(lookup, feed, binding)
    case .read(let read, let key, let position): self.read(read, key, position)
    case .append(let submission, let key, let message): append(submission, key, message)
    }
  }

  /// Logs events of interest to the node's owner.
  func note(_ event: FeedEvent) {
    switch event {
    case .misbehaved(let key, let node):
      log.warning(
        "Node \(node.short) sent messages of \(key) that are not the feed's; they were discarded.", .wrongBytes,
        about: [.peer(node.hex)])
    case .forked(let key, let number, let node):
      log.error(
        "The feed \(key.feed) has two histories: message \(number) of \(key) on node \(node.short) contradicts "
          + "the one on this node. Both are signed with the feed's key; the other one was stored separately.",
        .feedForked, about: [.peer(node.hex)])
    }
  }

  // MARK: Reading from other nodes

  private func count(_ key: SubfeedKey) {
    loop.work { [feeds] in
      Result { () throws(KacheryError) in try feeds.provenCount(key) }
    } then: { [self] result in
      switch result {
      case .success(let count): driver.feeds { $0.counted(key, count, at: $1) }
      case .failure(let error):
        // Counting none would make this node read all messages again, and admit others in the place of its own.
        log.error("The messages of \(key) cannot be counted: \(error)")
        _ = loop.after(Self.countAgain) { [weak self] in self?.count(key) }
      }
    }
  }

  /// Checks signatures, on two threads if there are many, then stores the messages.
  private func check(
    _ id: MessageBatchID, _ messages: [[UInt8]], _ statement: SubfeedStatement, from position: UInt64,
    of key: SubfeedKey
  ) {
    let size = max(Self.checkedTogether, (messages.count + 1) / 2)
    let starts = Array(stride(from: 0, to: messages.count, by: size))
    checks[id] = MessageCheck(parts: starts.count, statement)
    checkOrder[key, default: []].append(id)
    for (index, start) in starts.enumerated() {
      let part = Array(messages[start..<min(start + size, messages.count)])
      let number = position + UInt64(start)
      loop.work {
        Self.check(part, from: number, of: key.feed)
      } then: { [self] signed in
        checks[id]?.set(part: signed, at: index)
        keepChecked(of: key)
      }
    }
  }

  /// Stores checked messages, in the order of arrival.
  private func keepChecked(of key: SubfeedKey) {
    while let id = checkOrder[key]?.first, let check = checks[id], check.isComplete {
      checkOrder[key]?.removeFirst()
      if checkOrder[key]?.isEmpty == true { checkOrder[key] = nil }
      checks[id] = nil
      keep(id, check.messages, check.statement, of: key)
    }
  }

  /// The messages, if each belongs to the feed and is in sequence; nil otherwise.
  private static func check(
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

  private func keep(
    _ id: MessageBatchID, _ messages: [SignedMessage]?, _ statement: SubfeedStatement, of key: SubfeedKey
  ) {
    guard let messages else { return admitted(id, key, .invalid) }
    feeds.admit(messages, statement, to: key, then: loop.receiver { [self] outcome in kept(id, outcome, of: key) })
  }

  private func kept(_ id: MessageBatchID, _ outcome: Result<MessageAdmission, KacheryError>, of key: SubfeedKey) {
    switch outcome {
    case .failure(let error):
      log.error("Cannot store messages of \(key): \(error)")
      admitted(id, key, .failed(error))
    case .success(let admission) where admission.isUnproven: admitted(id, key, .invalid)
    case .success(let admission):
      onKept(admission.kept, key)
      admitted(id, key, admission.fork.map { .forked(at: $0) } ?? .kept(count: admission.count))
    }
  }

  private func admitted(_ id: MessageBatchID, _ key: SubfeedKey, _ outcome: MessagesOutcome) {
    driver.feeds { $0.admitted(id, key, outcome, at: $1) }
  }

  // MARK: Requests from other nodes

  private func lookUp(_ lookup: FeedLookupID, _ feed: FeedID, _ binding: [UInt8]) {
    loop.work { [feeds] in
      Result { () throws(KacheryError) in try Self.find(feed, binding, in: feeds) }
    } then: { [driver, log] found in
      switch found {
      case .success(let found): driver.feeds { engine, _ in engine.lookedUp(lookup, isHeld: found.0, proof: found.1) }
      case .failure(let error):
        log.error("Another node asks for the feed \(feed), which cannot be looked up: \(error)")
        driver.feeds { engine, _ in engine.lookUpFailed(lookup) }
      }
    }
  }

  /// Whether the feed is here, with a proof if this node writes it.
  private static func find(
    _ feed: FeedID, _ binding: [UInt8], in feeds: FeedStore
  ) throws(KacheryError) -> (Bool, Signature?) {
    let key: SigningKey?
    do throws(KacheryError) { key = try feeds.key(of: feed) } catch {
      // Other nodes can read its messages even if this one can no longer write any.
      guard try feeds.isKnown(feed) else { throw error }
      return (true, nil)
    }
    guard let key else { return (try feeds.isKnown(feed), nil) }
    return (true, Signature(bytes: key.sign(FeedAnswer.writerStatement(feed, binding: binding))))
  }

  private func read(_ read: FeedReadID, _ key: SubfeedKey, _ position: UInt64) {
    loop.work { [feeds] in
      Result { () throws(KacheryError) in try Self.read(key, from: position, in: feeds) }
    } then: { [self] result in
      if case .failure(let error) = result { log.error("Messages of \(key) are not served: \(error)") }
      let outcome = (try? result.get()) ?? .unreadable
      driver.feeds { engine, _ in engine.messagesRead(read, outcome) }
      if case .unproven = outcome { seekStatement(of: key) }
    }
  }

  private static func read(
    _ key: SubfeedKey, from position: UInt64, in feeds: FeedStore
  ) throws(KacheryError) -> ReadMessages {
    let messages = try feeds.messages(
      of: key, from: position, count: FeedAnswer.maximumMessages, bytes: answerBytes)
    switch try feeds.proof(of: key) {
    case .empty: return .read([], nil)
    case .proven(let statement): return .read(messages, statement)
    case .unproven: return .unproven
    }
  }

  /// Another node wants messages that earlier software has received, without the statement that it did not know: asks
  /// the other nodes for it by following the subfeed for a while.
  private func seekStatement(of key: SubfeedKey) {
    soughtStatements = soughtStatements.filter { loop.now - $0.value < Self.seekPause }
    guard soughtStatements[key] == nil, soughtStatements.count < Self.maximumSought else { return }
    soughtStatements[key] = loop.now
    log.warning(
      "Other nodes cannot read \(key) from this one yet: earlier software stored its messages without the writer's "
        + "statement about the subfeed. This node is looking for the statement at the writer and at other nodes.")
    driver.feeds {
      $0.follow(key, over: nil, at: $1)
      $0.unfollow(key, at: $1)
    }
  }

  /// Appends another node's message, if the subfeed's access rules allow it.
  private func append(_ submission: ForeignSubmission, _ key: SubfeedKey, _ message: [UInt8]) {
    loop.work { [feeds] in
      Result { () throws(KacheryError) in try Self.permitted(message, from: submission.node, key, in: feeds) }
    } then: { [self] permitted in
      switch permitted {
      case .failure(let error): answer(submission, error.message)
      case .success(let message):
        let then = loop.receiver { [self] outcome in appended(outcome, of: submission, to: key) }
        feeds.append([message], to: key, at: driver.now.wall, then: then)
      }
    }
  }

  private static func permitted(
    _ text: [UInt8], from node: NodeID, _ key: SubfeedKey, in feeds: FeedStore
  ) throws(KacheryError) -> JSONObject {
    guard try feeds.isWriteable(key.feed) else {
      throw KacheryError(.forbidden, "The node that was asked does not write the feed \(key.feed).")
    }
    guard try feeds.rules(of: key).permitsWriting(by: node) else {
      throw KacheryError(
        .forbidden,
        "No rule of the subfeed lets node \(node) submit messages; on the node that writes the feed, its owner runs: "
          + "kachery feed grant \(key) \(node)")
    }
    try SubmitRequest.checkLength(of: text)
    guard let message = (try? JSONParser.parse(text))?.object else {
      throw KacheryError(.badRequest, "The submitted message is not a JSON object.")
    }
    return message
  }

  private func appended(
    _ outcome: Result<[SignedMessage], KacheryError>, of submission: ForeignSubmission, to key: SubfeedKey
  ) {
    switch outcome {
    case .failure(let error): answer(submission, error.message)
    case .success(let signed):
      onKept(signed, key)
      answer(submission, nil)
    }
  }

  private func answer(_ submission: ForeignSubmission, _ reason: String?) {
    driver.feeds { engine, _ in engine.submissionEnded(submission, reason) }
  }
}

/// Messages checked by several threads, a part each.
struct MessageCheck {
  private var parts: [[SignedMessage]?]
  private var remaining: Int
  /// With which message the subfeed begins.
  let statement: SubfeedStatement

  init(parts count: Int, _ statement: SubfeedStatement) {
    self.statement = statement
    parts = [[SignedMessage]?](repeating: nil, count: count)
    remaining = count
  }

  /// Records the result of one part.
  mutating func set(part: [SignedMessage]?, at index: Int) {
    parts[index] = part
    remaining -= 1
  }

  var isComplete: Bool { remaining == 0 }

  /// All messages, if every part is valid.
  var messages: [SignedMessage]? { parts.contains { $0 == nil } ? nil : parts.flatMap { $0 ?? [] } }
}

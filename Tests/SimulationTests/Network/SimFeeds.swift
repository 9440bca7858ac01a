import Crypto
import Feeds
import NodeCore
import Primitives
import TestSupport
import Wire

/// The feeds of a simulated node: its messages, in memory, and the work that it does for the core.
///
/// It also checks the traffic: a node without permission receives no messages, no request uses a channel that is not
/// joined, and messages arrive once and without a gap.
final class SimFeeds {
  /// The keys of the feeds that it writes.
  var keys: [FeedID: SigningKey] = [:]
  private(set) var messages: [SubfeedKey: [SignedMessage]] = [:]
  private var statements: [SubfeedKey: SubfeedStatement] = [:]
  /// Whether it alters its messages before it sends them.
  var alters = false
  /// Nodes that sent messages that are not the feed's.
  private(set) var offenders: Set<NodeID> = []
  /// The results of the clients' searches and submissions.
  private(set) var sought: [FeedSeekID: FeedWhereabouts] = [:]
  private(set) var submitted: [SubmitID: KacheryError?] = [:]
  /// When each open search and submission must have ended.
  private var deadlines: [UInt64: Instant] = [:]
  /// Bytes of messages that arrived over each link and are not released yet.
  private var unreleased: [LinkID: Int] = [:]
  /// Its subscriptions at other nodes: the channel, by the number of the request.
  private var subscriptions: [LinkID: [UInt32: Topic]] = [:]
  /// Other nodes' subscriptions here.
  private var served: [LinkID: [UInt32: Topic]] = [:]
  private var lastAdmission: [SubfeedKey: Instant] = [:]
  private var lastNumber: UInt64 = 0

  private unowned let node: SimNode
  private unowned let network: SimNetwork

  init(_ node: SimNode, _ network: SimNetwork) {
    self.node = node
    self.network = network
  }

  /// The process has ended: only what is on the disk remains.
  func restart() {
    unreleased = [:]
    subscriptions = [:]
    served = [:]
    deadlines = [:]
    lastAdmission = [:]
  }

  func linkClosed(_ link: LinkID) {
    unreleased[link] = nil
    subscriptions[link] = nil
    served[link] = nil
  }

  // MARK: The user

  func append(_ texts: [String], to key: SubfeedKey) throws {
    guard node.isRunning, let signer = keys[key.feed] else { return }
    var log = messages[key] ?? []
    let start = log.count
    for text in texts {
      log.append(
        try SignedMessage(
          ["text": .string(text)], number: UInt64(log.count), previous: log.last?.signature, at: network.now.wall,
          with: signer))
    }
    messages[key] = log
    let new = log[start...].map(\.text)
    input { engine, _ in engine.appended(new, to: key, position: UInt64(start)) }
  }

  func follow(_ key: SubfeedKey) { input { $0.follow(key, over: nil, at: $1) } }

  func unfollow(_ key: SubfeedKey) { input { $0.unfollow(key, at: $1) } }

  func seek(_ feed: FeedID, for time: Duration) {
    lastNumber += 1
    let id = FeedSeekID(number: lastNumber)
    deadlines[lastNumber] = network.clock.now + time
    input { $0.seek(id, feed, until: $1 + time, at: $1) }
  }

  func submit(_ text: String, to key: SubfeedKey, for time: Duration) -> SubmitID {
    lastNumber += 1
    let id = SubmitID(number: lastNumber)
    deadlines[lastNumber] = network.clock.now + time
    let message = JSONValue.object(["text": .string(text)]).compactBytes
    input { $0.submit(id, message, to: key, until: $1 + time, at: $1) }
    return id
  }

  func texts(of key: SubfeedKey) -> [String] {
    (messages[key] ?? []).map { message in
      (try? JSONParser.parse(SignedMessage.plain(message.text)))?["text"]?.string ?? "?"
    }
  }

  // MARK: Checks

  /// Searches and submissions that should have ended, and bytes that were never released.
  var leftovers: [String] {
    let late = deadlines.filter { $0.value < network.clock.now }.keys.sorted()
    // What arrived while its link was being closed has no window.
    let bytes = unreleased.filter { $0.value != 0 && node.link($0.key) != nil }.sorted { $0.key < $1.key }
    return late.map { "a search or submission, \($0), of \(node.name) did not end" }
      + bytes.map { "\($0.value) bytes of messages over link \($0.key.number) of \(node.name) were not released" }
  }

  /// Complains about subscriptions over channels that no longer permit them.
  func checkSubscriptions() {
    // in any order: each is independent
    for (link, topics) in subscriptions {
      guard let peer = node.peer(of: link) else { continue }
      for topic in topics.values where !node.mayAsk(peer, over: topic) {
        network.complain("\(node.name) still reads a feed of \(peer.name) without permission")
      }
    }
  }

  // MARK: Effects

  private func input(_ body: (inout FeedEngine, Instant) -> Void) { node.input { $0.feeds(at: $1, body) } }

  /// Encodes and decodes each message, so that the coding is tested as well.
  private static func decoded<Message>(_ bytes: [UInt8], _ decode: (Frame) throws -> Message?) -> Message? {
    var decoder = FrameDecoder(limit: FeedAnswer.frameLimit)
    decoder.append(bytes)
    return (try? decoder.next()).flatMap { $0 }.flatMap { try? decode($0) }
  }

  func send(_ request: FeedRequest, over link: LinkID, _ carrier: SimLink) {
    let end = carrier.other(node)
    let topic = request.channel.flatMap { node.channel(of: $0, on: link)?.topic }
    if request.channel != nil, topic.map({ node.mayAsk(end.node, over: $0) }) != true {
      network.complain("\(node.name) asks \(end.node.name) about a feed without permission")
    }
    switch request {
    case .subscribe(let id, _, _, _): subscriptions[link, default: [:]][id] = topic
    case .unsubscribe(let id): subscriptions[link]?[id] = nil
    case .query, .submit: break
    }
    guard let frame = Self.decoded(request.encoded, FeedRequest.decode) else {
      return network.complain("\(node.name) sent \(request), which cannot be read")
    }
    carrier.travel {
      if case .subscribe(let id, _, _, _) = frame { end.node.feeds.served[end.id, default: [:]][id] = topic }
      end.node.input { core, _ in core.received(frame, on: end.id) }
    }
  }

  func send(_ answer: FeedAnswer, over link: LinkID, _ carrier: SimLink) {
    let end = carrier.other(node)
    if case .messages(let id, _, _, _) = answer, let topic = served[link]?[id], !node.permits(end.node, over: topic) {
      network.complain("\(node.name) sends messages to \(end.node.name), which has no permission")
    }
    guard let frame = Self.decoded(altered(answer).encoded, FeedAnswer.decode) else {
      return network.complain("\(node.name) sent \(answer), which cannot be read")
    }
    carrier.travel {
      if case .messages(_, _, _, let texts) = frame {
        end.node.feeds.unreleased[end.id, default: 0] += FeedAnswer.memory(of: texts)
      }
      end.node.input { $0.received(frame, on: end.id, at: $1) }
    }
    guard case .messages = answer else { return }
    node.soon { node in node.input { core, _ in core.feedMessagesLeft(link) } }
  }

  func released(_ bytes: Int, over link: LinkID) {
    if unreleased[link] != nil { unreleased[link, default: 0] -= bytes }
  }

  private func altered(_ answer: FeedAnswer) -> FeedAnswer {
    guard alters, case .messages(let id, let position, let statement, let texts) = answer else { return answer }
    let altered = texts.map {
      Array(String(decoding: $0, as: UTF8.self).replacing("\"text\":\"", with: "\"text\":\"not ").utf8)
    }
    return .messages(id: id, position: position, statement, altered)
  }

  func perform(_ work: FeedWork) {
    switch work {
    case .count(let key):
      node.soon { $0.feeds.input { $0.counted(key, UInt64(self.messages[key]?.count ?? 0), at: $1) } }
    case .admit(let id, let key, let position, let statement, let texts):
      // In order, whatever time each takes.
      let due = max(
        lastAdmission[key] ?? network.clock.now, network.clock.now + .microseconds(network.random.number(0...3_000)))
      lastAdmission[key] = due
      node.after(due - network.clock.now) { $0.feeds.admit(id, texts, position, statement, key) }
    case .lookUp(let lookup, let feed, let binding):
      node.soon { node in
        let proof = node.feeds.keys[feed].flatMap {
          Signature(bytes: $0.sign(FeedAnswer.writerStatement(feed, binding: binding)))
        }
        let isHeld = proof != nil || node.feeds.messages.keys.contains { $0.feed == feed }
        node.feeds.input { engine, _ in engine.lookedUp(lookup, isHeld: isHeld, proof: proof) }
      }
    case .read(let read, let key, let position):
      node.soon { node in
        let log = node.feeds.messages[key] ?? []
        let end = min(log.count, Int(position) + self.network.random.number(1...20))
        let texts = Int(position) < end ? log[Int(position)..<end].map(\.text) : []
        let statement = node.feeds.proof(of: key)
        node.feeds.input { engine, _ in engine.messagesRead(read, .read(texts, statement)) }
      }
    case .append(let submission, let key, let message):
      node.soon { node in
        guard node.feeds.keys[key.feed] != nil, let text = (try? JSONParser.parse(message))?["text"]?.string else {
          return node.feeds.input { engine, _ in engine.submissionEnded(submission, "not permitted") }
        }
        do {
          try node.feeds.append([text], to: key)
        } catch {
          self.network.complain("\(node.name) cannot append: \(error)")
        }
        node.feeds.input { engine, _ in engine.submissionEnded(submission, nil) }
      }
    }
  }

  func perform(_ effect: FeedClientEffect) {
    switch effect {
    case .sought(let id, let whereabouts):
      if deadlines.removeValue(forKey: id.number) == nil { network.complain("a search of \(node.name) ended twice") }
      sought[id] = whereabouts
    case .submitted(let id, let error):
      if deadlines.removeValue(forKey: id.number) == nil {
        network.complain("a submission of \(node.name) ended twice")
      }
      submitted[id] = .some(error)
    }
  }

  func note(_ event: FeedEvent) {
    switch event {
    case .misbehaved(_, let node): offenders.insert(node)
    case .forked(let key, let number, _): network.complain("\(node.name) reports that \(key) forks at \(number)")
    }
  }

  /// The writer's statement about a subfeed.
  private func proof(of key: SubfeedKey) -> SubfeedStatement? {
    if let known = statements[key] { return known }
    guard let signer = keys[key.feed], let first = messages[key]?.first else { return nil }
    statements[key] = SubfeedStatement(of: key, beginningWith: first.signature, by: signer)
    return statements[key]
  }

  private func admit(
    _ id: MessageBatchID, _ texts: [[UInt8]], _ position: UInt64, _ statement: SubfeedStatement, _ key: SubfeedKey
  ) {
    let before = messages[key]?.count ?? 0
    let outcome = outcome(texts, position, statement, key)
    let new = (messages[key] ?? [])[before...].map(\.text)
    if !new.isEmpty { input { engine, _ in engine.appended(new, to: key, position: UInt64(before)) } }
    input { $0.admitted(id, key, outcome, at: $1) }
  }

  private func outcome(
    _ texts: [[UInt8]], _ position: UInt64, _ statement: SubfeedStatement, _ key: SubfeedKey
  ) -> MessagesOutcome {
    var log = messages[key] ?? []
    for (offset, text) in texts.enumerated() {
      guard let message = network.checked(text, of: key.feed), message.number == position + UInt64(offset) else {
        return .invalid
      }
      let number = Int(message.number)
      if number < log.count {
        guard log[number].signature == message.signature else { return .forked(at: message.number) }
        continue
      }
      // An earlier message is missing: nothing is kept out of order.
      guard number == log.count else { break }
      guard message.previous == log.last?.signature else { return .forked(at: message.number) }
      log.append(message)
    }
    if proof(of: key) == nil {
      guard let first = log.first else { return .kept(count: 0) }
      guard statement.holds(for: key, beginningWith: first.signature) else { return .invalid }
      statements[key] = statement
    }
    messages[key] = log
    return .kept(count: UInt64(log.count))
  }
}

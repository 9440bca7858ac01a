import Crypto
import Feeds
import Primitives
import TestSupport
import Testing
import Wire

/// One node of a `FeedWorld`: an engine with feeds in memory.
final class FeedNode {
  /// How a node serves others.
  enum Conduct: CaseIterable {
    case honest
    /// Changes the content of its messages.
    case alters
    /// Omits every other message.
    case leavesOut
    /// Claims to write feeds of other nodes, and to have all messages.
    case boasts
    /// Answers nothing.
    case silent
    /// Claims to have messages, and sends none.
    case keepsBack
    /// Claims to have messages, and then that it has sent all of them.
    case claimsTheEnd
    /// Omits the first messages each time they are requested.
    case beginsLate
    /// Sends the first messages again and again, whatever is requested.
    case repeats
    /// Sends one message per second.
    case drips
    /// Sends the messages of another subfeed of the same feed.
    case swaps
  }

  let index: Int
  let id: NodeID
  var conduct = Conduct.honest
  private unowned let world: FeedWorld
  private var engine = FeedEngine()
  private var wakeNumber = 0
  private var isDraining = false
  var lastArrival: [Int: Instant] = [:]
  private var lastAdmission: [SubfeedKey: Instant] = [:]

  /// The keys of the feeds that this node writes.
  var keys: [FeedID: SigningKey] = [:]
  private(set) var messages: [SubfeedKey: [SignedMessage]] = [:]
  private var statements: [SubfeedKey: SubfeedStatement] = [:]
  /// The subfeed whose messages it sends in place of all others if it `swaps`.
  var swapped: SubfeedKey?
  /// Nodes that may submit to any of its feeds.
  var mayWrite: Set<NodeID> = []
  var isDiskFull = false
  private(set) var events: [FeedEvent] = []
  private(set) var sought: [FeedSeekID: FeedWhereabouts] = [:]
  private(set) var submitted: [SubmitID: KacheryError?] = [:]
  /// The most bytes of messages that waited to be stored at the same time.
  private(set) var mostUndealt = 0
  private var unreleased = 0
  /// Reads of stored messages for other nodes so far.
  private(set) var reads = 0

  init(index: Int, world: FeedWorld) throws {
    self.index = index
    self.world = world
    id = try SigningKey(seed: [UInt8](repeating: UInt8(index + 1), count: 32)).publicKey
  }

  // MARK: Operations for tests

  func append(_ texts: [String], to key: SubfeedKey) throws {
    guard let signer = keys[key.feed] else { return }
    var log = messages[key] ?? []
    let start = UInt64(log.count)
    for text in texts {
      log.append(
        try SignedMessage(
          ["text": .string(text)], number: UInt64(log.count), previous: log.last?.signature,
          at: WallTime(milliseconds: world.now.nanoseconds / 1_000_000), with: signer))
    }
    messages[key] = log
    input { engine, _ in engine.appended(log[Int(start)...].map(\.text), to: key, position: start) }
  }

  /// The writer's statement about a subfeed.
  func proof(of key: SubfeedKey) -> SubfeedStatement? {
    if let known = statements[key] { return known }
    guard let signer = keys[key.feed], let first = messages[key]?.first else { return nil }
    statements[key] = SubfeedStatement(of: key, beginningWith: first.signature, by: signer)
    return statements[key]
  }

  /// Sets earlier messages, as after a restart from a backup. Without the statement and the writer's key, they are those
  /// of a replica that earlier software has left.
  func restore(_ log: [SignedMessage], _ statement: SubfeedStatement? = nil, of key: SubfeedKey) {
    messages[key] = log
    statements[key] = statement
  }

  func follow(_ key: SubfeedKey) { input { [world] in $0.follow(key, over: world.topic, at: $1) } }

  func unfollow(_ key: SubfeedKey) { input { $0.unfollow(key, at: $1) } }

  func seek(_ id: FeedSeekID, _ feed: FeedID, for time: Duration) {
    input { $0.seek(id, feed, until: $1 + time, at: $1) }
  }

  func submit(_ id: SubmitID, _ text: String, to key: SubfeedKey, for time: Duration) {
    let message = JSONValue.object(["text": .string(text)]).compactBytes
    input { $0.submit(id, message, to: key, until: $1 + time, at: $1) }
  }

  func count(of key: SubfeedKey) -> Int { messages[key]?.count ?? 0 }

  func texts(of key: SubfeedKey) -> [String] {
    (messages[key] ?? []).map { message in
      (try? JSONParser.parse(SignedMessage.plain(message.text)))?["text"]?.string ?? "?"
    }
  }

  // MARK: Links

  func linked(to other: FeedNode, over link: LinkID, binding: [UInt8]) {
    lastArrival[other.index] = nil
    input { [world] engine, now in
      engine.linkOpened(link, to: other.id, binding: binding)
      engine.setPeers(
        [(other.id, [AskableChannel(topic: world.topic, proof: .filled(with: 7))], link)], at: now)
    }
  }

  func unlinked(from other: FeedNode, over link: LinkID) {
    input { engine, now in
      engine.peerLeft(other.id, at: now)
      engine.linkClosed(link, at: now)
    }
  }

  // MARK: The engine

  private func input(_ body: (inout FeedEngine, Instant) -> Void) {
    body(&engine, world.now)
    drain()
  }

  private func drain() {
    guard !isDraining else { return }
    isDraining = true
    while let effect = engine.nextEffect() {
      world.note(effect, of: index)
      perform(effect)
    }
    isDraining = false
    if !engine.keepsItsDeadlines { Issue.record("seed \(world.seed): a search or submission has no deadline") }
    wakeNumber += 1
    let number = wakeNumber
    guard let due = engine.wakeAt else { return }
    world.after(due - world.now) { [self] in
      guard number == wakeNumber else { return }
      input { $0.wake(at: $1) }
    }
  }

  private func soon(_ body: @escaping () -> Void) { world.after(.microseconds(world.random.number(0...3_000)), body) }

  private func perform(_ effect: FeedEffect) {
    switch effect {
    case .request(let link, let request):
      guard let frame = Self.decoded(request.encoded, FeedRequest.decode) else { return }
      world.carry(from: index, over: link) { receiver in
        receiver.input { engine, _ in engine.received(frame, over: link, isPermitted: true) }
      }
    case .answer(let link, let answer): self.answer(answer, over: link)
    case .work(.count(let key)):
      soon { [self] in
        input { $0.counted(key, proof(of: key) == nil ? 0 : UInt64(messages[key]?.count ?? 0), at: $1) }
      }
    case .work(.admit(let id, let key, let position, let statement, let texts)):
      // In order, however long each takes.
      let earliest = lastAdmission[key] ?? world.now
      let due = max(earliest, world.now + .microseconds(world.random.number(0...3_000)))
      lastAdmission[key] = due
      world.after(due - world.now) { [self] in admit(id, texts, position, statement, key) }
    case .released(_, let bytes): unreleased -= bytes
    case .work(.lookUp(let lookup, let feed, let binding)): lookUp(lookup, feed, binding)
    case .work(.read(let read, let key, let position)):
      reads += 1
      let delay: Duration =
        conduct == .drips ? .milliseconds(900) : .microseconds(world.random.number(0...3_000))
      world.after(delay) { [self] in
        let log = messages[key] ?? []
        let end = min(log.count, Int(position) + (conduct == .drips ? 1 : world.random.number(1...20)))
        let texts = Int(position) < end ? log[Int(position)..<end].map(\.text) : []
        let statement = proof(of: key)
        input { engine, _ in
          engine.messagesRead(read, log.isEmpty || statement != nil ? .read(texts, statement) : .unproven)
        }
      }
    case .work(.append(let submission, let key, let message)): append(submission, key, message)
    case .client(.sought(let id, let whereabouts)): sought[id] = whereabouts
    case .client(.submitted(let id, let error)): submitted[id] = .some(error)
    case .event(let event): events.append(event)
    }
  }

  /// Messages travel as encoded frames, so that the encoding is tested as well.
  private static func decoded<Message>(_ bytes: [UInt8], _ decode: (Frame) throws -> Message?) -> Message? {
    var decoder = FrameDecoder(limit: FeedAnswer.frameLimit)
    decoder.append(bytes)
    return (try? decoder.next()).flatMap { $0 }.flatMap { try? decode($0) }
  }

  private func answer(_ answer: FeedAnswer, over link: LinkID) {
    guard conduct != .silent, !keepsBack(answer),
      let frame = Self.decoded(changed(answer).encoded, FeedAnswer.decode)
    else { return }
    world.carry(from: index, over: link) { receiver in
      if case .messages(_, _, _, let texts) = frame {
        receiver.unreleased += FeedAnswer.memory(of: texts)
        receiver.mostUndealt = max(receiver.mostUndealt, receiver.unreleased)
      }
      receiver.input { $0.received(frame, over: link, at: $1) }
    }
    guard case .messages = answer else { return }
    soon { [self] in input { engine, _ in engine.sent(over: link) } }
  }

  private func keepsBack(_ answer: FeedAnswer) -> Bool {
    if case .known = answer { return false }
    return conduct == .keepsBack
  }

  private func changed(_ answer: FeedAnswer) -> FeedAnswer {
    guard case .messages(let id, let position, let statement, let texts) = answer else { return answer }
    switch conduct {
    case .alters:
      let altered = texts.map {
        Array(String(decoding: $0, as: UTF8.self).replacing("\"text\":\"", with: "\"text\":\"not ").utf8)
      }
      return .messages(id: id, position: position, statement, altered)
    case .leavesOut:
      return .messages(
        id: id, position: position, statement, texts.enumerated().filter { $0.offset % 2 == 0 }.map(\.element))
    case .claimsTheEnd: return .caughtUp(id: id, count: position)
    case .beginsLate: return .messages(id: id, position: position + 5, statement, texts)
    case .repeats:
      return .messages(id: id, position: 0, statement, (messages.values.first ?? []).prefix(2).map(\.text))
    case .swaps:
      // What the node has of another subfeed, with the statement about that one or with the one that is asked for.
      guard let other = messages.first(where: { $0.key == swapped }) else { return answer }
      let own = statements[other.key].flatMap { world.random.chance(50) ? $0 : nil }
      return .messages(id: id, position: position, own ?? statement, other.value.dropFirst(Int(position)).map(\.text))
    default: return answer
    }
  }

  private func admit(
    _ id: MessageBatchID, _ texts: [[UInt8]], _ position: UInt64, _ statement: SubfeedStatement, _ key: SubfeedKey
  ) {
    let outcome = outcome(texts, position, statement, key)
    input { $0.admitted(id, key, outcome, at: $1) }
  }

  private func outcome(
    _ texts: [[UInt8]], _ position: UInt64, _ statement: SubfeedStatement, _ key: SubfeedKey
  ) -> MessagesOutcome {
    if isDiskFull { return .failed(KacheryError(.diskFull, "full")) }
    var log = messages[key] ?? []
    let start = log.count
    for (offset, text) in texts.enumerated() {
      guard let message = world.checked(text, of: key.feed), message.number == position + UInt64(offset) else {
        return .invalid
      }
      let number = Int(message.number)
      if number < log.count, log[number].signature != message.signature { return .forked(at: message.number) }
      guard number >= log.count else { continue }
      // An earlier message is missing: messages are never stored out of order.
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
    let new = log[start...].map(\.text)
    if !new.isEmpty { engine.appended(new, to: key, position: UInt64(start)) }
    return .kept(count: UInt64(log.count))
  }

  private func lookUp(_ lookup: FeedLookupID, _ feed: FeedID, _ binding: [UInt8]) {
    soon { [self] in
      // Always the same one: a seed must reproduce its run.
      let other = try? SigningKey(seed: [UInt8](repeating: 0xbb, count: 32))
      let signer = conduct == .boasts ? other : keys[feed]
      let proof = signer.flatMap { Signature(bytes: $0.sign(FeedAnswer.writerStatement(feed, binding: binding))) }
      let isHeld = proof != nil || messages.keys.contains { $0.feed == feed }
      input { engine, _ in engine.lookedUp(lookup, isHeld: isHeld, proof: proof) }
    }
  }

  private func append(_ submission: ForeignSubmission, _ key: SubfeedKey, _ message: [UInt8]) {
    soon { [self] in
      guard keys[key.feed] != nil, mayWrite.contains(submission.node),
        let text = (try? JSONParser.parse(message))?["text"]?.string
      else { return input { engine, _ in engine.submissionEnded(submission, "not permitted") } }
      try? append([text], to: key)
      input { engine, _ in engine.submissionEnded(submission, nil) }
    }
  }
}

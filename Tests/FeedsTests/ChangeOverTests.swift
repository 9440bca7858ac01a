import Crypto
import Feeds
import Primitives
import TestSupport
import Testing
import Wire

/// A node that is read over one link, and then over another one.
@Suite struct ChangeOverTests {
  private let now = Instant(nanoseconds: 1)
  private let peer: NodeID
  private let topic: Topic
  private let statement = SubfeedStatement(.filled(with: 3))
  private let key: SubfeedKey
  private let first = LinkID(number: 1)
  private let second = LinkID(number: 2)
  private var engine = FeedEngine()
  private var requests: [(link: LinkID, request: FeedRequest)] = []
  private var admitted: [(id: MessageBatchID, position: UInt64)] = []
  private var released: [LinkID] = []
  private var submitted: [KacheryError?] = []

  init() throws {
    peer = try SigningKey.generate().publicKey
    topic = .filled(with: 1)
    key = SubfeedKey(FeedID(key: peer), try SubfeedHash(name: "main"))
    engine.linkOpened(first, to: peer, binding: [1])
    engine.linkOpened(second, to: peer, binding: [2])
  }

  private mutating func drain() {
    while let effect = engine.nextEffect() {
      switch effect {
      case .request(let link, let request): requests.append((link, request))
      case .work(.admit(let id, _, let position, _, _)): admitted.append((id, position))
      case .released(let link, _): released.append(link)
      case .client(.submitted(_, let error)): submitted.append(error)
      default: break
      }
    }
  }

  /// The channel has another proof on each link.
  private func proof(over link: LinkID) -> ChannelProof { .filled(with: UInt8(link.number)) }

  private mutating func use(_ link: LinkID) {
    engine.setPeers([(peer, [AskableChannel(topic: topic, proof: proof(over: link))], link)], at: now)
    drain()
  }

  private mutating func answer(_ answer: FeedAnswer, over link: LinkID) {
    engine.received(answer, over: link, at: now)
    drain()
  }

  private func ids(over link: LinkID, _ kind: (FeedRequest) -> UInt32?) -> [UInt32] {
    requests.filter { $0.link == link }.compactMap { kind($0.request) }
  }

  private static func query(_ request: FeedRequest) -> UInt32? {
    if case .query(let id, _, _) = request { id } else { nil }
  }

  private static func subscription(_ request: FeedRequest) -> UInt32? {
    if case .subscribe(let id, _, _, _) = request { id } else { nil }
  }

  /// Reads over the first link; returns the number of the subscription.
  private mutating func beginReading() throws -> UInt32 {
    engine.follow(key, over: nil, at: now)
    engine.counted(key, 0, at: now)
    use(first)
    answer(
      .known(id: try #require(ids(over: first, Self.query).first), isHeld: true, proof: nil),
      over: first)
    return try #require(ids(over: first, Self.subscription).first)
  }

  @Test mutating func readingContinuesAfterTheLastMessageThatHasCome() throws {
    let old = try beginReading()
    answer(.messages(id: old, position: 0, statement, [[1], [2]]), over: first)
    #expect(admitted.map(\.position) == [0])
    use(second)
    let ended = requests.contains { $0.link == first && $0.request == .unsubscribe(id: old) }
    #expect(ended)
    let next = try #require(ids(over: second, Self.subscription).first)
    let position = requests.compactMap { each -> UInt64? in
      if case .subscribe(next, _, _, let position) = each.request { position } else { nil }
    }
    #expect(position == [2], "the first two are being stored")
    // What still comes over the old link is dropped, and what comes over the new one follows.
    answer(.messages(id: old, position: 2, statement, [[3]]), over: first)
    answer(.messages(id: next, position: 2, statement, [[3], [4]]), over: second)
    #expect(admitted.map(\.position) == [0, 2])
    #expect(released == [first])
    for batch in admitted {
      engine.admitted(batch.id, key, .kept(count: batch.position + 2), at: now)
    }
    drain()
    // Each message takes up the window of the link over which it came.
    #expect(released == [first, first, second])
  }

  @Test mutating func aQueryIsRepeatedOnceItsLinkIsGone() throws {
    engine.follow(key, over: nil, at: now)
    engine.counted(key, 0, at: now)
    use(first)
    use(second)
    let asked = (ids(over: first, Self.query).count, ids(over: second, Self.query).count)
    #expect(asked == (1, 0), "the answer may still come")
    engine.linkClosed(first, at: now)
    drain()
    let again = ids(over: second, Self.query)
    #expect(again.count == 1)
    answer(.known(id: try #require(again.first), isHeld: true, proof: nil), over: second)
    let subscriptions = ids(over: second, Self.subscription)
    #expect(subscriptions.count == 1)
  }

  @Test mutating func anAnswerComesOverTheLinkOfTheQuery() throws {
    engine.follow(key, over: nil, at: now)
    engine.counted(key, 0, at: now)
    use(first)
    let id = try #require(ids(over: first, Self.query).first)
    use(second)
    answer(.known(id: id, isHeld: true, proof: nil), over: first)
    let subscriptions = ids(over: second, Self.subscription)
    #expect(subscriptions.count == 1)
  }

  /// A peer answers each request over the link on which it came, and serves each link separately.
  @Test mutating func requestsAreAnsweredOverTheirLinks() throws {
    for link in [first, second] {
      engine.received(.subscribe(id: 7, proof(over: link), key, position: 0), over: link, isPermitted: true)
    }
    var answers: [LinkID] = []
    while let effect = engine.nextEffect() {
      switch effect {
      case .work(.read(let read, _, _)): engine.messagesRead(read, .read([], nil))
      case .answer(let link, .caughtUp(7, _)): answers.append(link)
      default: break
      }
    }
    #expect(answers.sorted() == [first, second])
    #expect(!engine.isIdle(first))
    engine.linkClosed(first, at: now)
    #expect(engine.isIdle(first))
    #expect(!engine.isIdle(second))
  }
}

import Crypto
import Database
import FeedStore
import Files
import Primitives
import TestSupport
import Testing

@Suite struct FeedStoreTests {
  let folder: TemporaryFolder
  let time = WallTime(milliseconds: 1_600_000_000_000)

  init() throws { folder = try TemporaryFolder() }

  private func open(in name: String = "") throws -> OpenFeeds { try OpenFeeds(folder.path + name) }

  private static func key(_ feed: FeedID, _ name: String = "main") throws -> SubfeedKey {
    SubfeedKey(feed, try SubfeedHash(name: .string(name)))
  }

  @Test func appendsMessagesThatNameTheOneBefore() async throws {
    let store = try open()
    let feed = try await store.create("lab")
    let key = try Self.key(feed)
    try await store.append([["n": 0], ["n": 1, "text": "größer"]], to: key, at: time)
    try await store.append([["n": 2]], to: key, at: time)
    let messages = try store.feeds.messages(of: key, from: 0).map { try SignedMessage($0) }
    #expect(messages.map(\.number) == [0, 1, 2])
    #expect(messages[0].previous == nil)
    #expect(messages[1].previous == messages[0].signature)
    #expect(messages[2].previous == messages[1].signature)
    let verifier = try VerifyingKey(NodeID(feed))
    for message in messages { #expect(message.isSigned(by: verifier)) }
    #expect(SignedMessage.plain(messages[1].text) == Array(#"{"n":1,"text":"gr\u00f6\u00dfer"}"#.utf8))
    #expect(try store.feeds.count(key) == 3)
    #expect(try store.feeds.messages(of: key, from: 1, count: 1).count == 1)
    #expect(try store.feeds.messages(of: key, from: 0, bytes: 1).count == 1)
    #expect(try store.feeds.messages(of: key, from: 3).isEmpty)
    #expect(try store.feeds.messages(of: key, from: .max).isEmpty)
  }

  @Test func continuesAfterItWasClosed() async throws {
    var store = try open()
    let key = try Self.key(try await store.create("lab"))
    try await store.append([["n": 0]], to: key, at: time)
    store.close()
    store = try open()
    #expect(try store.feeds.feed(named: "lab") == key.feed)
    try await store.append([["n": 1]], to: key, at: time)
    let messages = try store.feeds.messages(of: key, from: 0).map { try SignedMessage($0) }
    #expect(messages.count == 2)
    #expect(messages[1].previous == messages[0].signature)
    #expect(try FileSystem.status("\(folder.path)/feeds.db").permissions & 0o777 == 0o600)
  }

  @Test func manyClientsOfOneSubfeedAreAllAnsweredInOrder() async throws {
    let store = try open()
    let key = try Self.key(try await store.create(nil))
    let numbers = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for client in 0..<16 {
        group.addTask {
          var own: [UInt64] = []
          for n in 0..<20 {
            let message: JSONObject = ["client": .integer(Int64(client)), "n": .integer(Int64(n))]
            own += try await store.append([message], to: key, at: time).map(\.number)
          }
          return own
        }
      }
      return try await group.reduce(into: [[UInt64]]()) { $0.append($1) }
    }
    for own in numbers { #expect(own == own.sorted()) }
    #expect(numbers.flatMap { $0 }.sorted() == Array(0..<320))
    let messages = try store.feeds.messages(of: key, from: 0).map { try SignedMessage($0) }
    #expect(zip(messages.dropFirst(), messages).allSatisfy { $0.previous == $1.signature })
  }

  @Test func whatWasWrittenBeforeClosingIsThere() async throws {
    let store = try open()
    let key = try Self.key(try await store.create(nil))
    async let appended = store.append((0..<100).map { ["n": .integer($0)] }, to: key, at: time)
    _ = try await appended
    store.close()
    await #expect(throws: KacheryError.self) { try await store.append([["n": 1]], to: key, at: time) }
    #expect(try open().feeds.count(key) == 100)
  }

  @Test func oneClientsMistakeDoesNotAffectAnother() async throws {
    let store = try open()
    let key = try Self.key(try await store.create(nil))
    let foreign = try Self.key(FeedID(key: try SigningKey.generate().publicKey))
    async let good = store.append([["n": 0]], to: key, at: time)
    async let bad = store.append([["n": 0]], to: foreign, at: time)
    #expect(try await good.count == 1)
    do {
      _ = try await bad
      Issue.record("A write to another node's feed succeeded.")
    } catch let error as KacheryError { #expect(error.code == .forbidden) }
    let large = String(repeating: "x", count: SignedMessage.maximumBytes)
    await #expect(throws: KacheryError.self) {
      try await store.append([["n": 1], ["large": .string(large)]], to: key, at: time)
    }
    #expect(try store.feeds.count(key) == 1)
  }

  @Test func admitsWhatFollowsAndKeepsForksApart() async throws {
    let store = try open()
    let writer = try SigningKey.generate()
    let key = try Self.key(FeedID(key: writer.publicKey))
    let chain = try Self.chain(5, by: writer)
    let statement = SubfeedStatement(of: key, beginningWith: chain[0].signature, by: writer)
    #expect(try await store.admit(Array(chain[0..<2]), statement, to: key).count == 2)
    let again = try await store.admit(Array(chain[1..<4]), statement, to: key)
    #expect(again.count == 4)
    #expect(again.kept.map(\.number) == [2, 3])
    let other = try Self.chain(5, by: writer, named: "other")
    let fork = try await store.admit(Array(other[2..<5]), statement, to: key)
    #expect(fork.fork == 2)
    #expect(fork.kept.isEmpty)
    let beyond = try await store.admit([other[4]], statement, to: key)
    #expect(beyond.fork == 4)
    #expect(try store.feeds.forks(of: key).map(\.signature) == [other[2].signature, other[4].signature])
    #expect(try store.feeds.messages(of: key, from: 0) == chain[0..<4].map(\.text))
    #expect(try await store.admit([chain[4]], statement, to: key).count == 5)
    #expect(try store.feeds.isWriteable(key.feed) == false)
  }

  /// Whoever has the feed's key can sign any number of contradictions.
  @Test func forksAddABoundedAmount() async throws {
    let store = try open()
    let writer = try SigningKey.generate()
    let feed = FeedID(key: writer.publicKey)
    let large = String(repeating: "x", count: 20_000)
    for subfeed in 0..<20 {
      let key = SubfeedKey(feed, try SubfeedHash(name: .string("\(subfeed)")))
      let chain = try Self.chain(1, by: writer)
      let statement = SubfeedStatement(of: key, beginningWith: chain[0].signature, by: writer)
      #expect(try await store.admit(chain, statement, to: key).count == 1)
      for number in 0..<10 {
        let other = try Self.chain(1, by: writer, named: "\(number)\(large)")
        #expect(try await store.admit(other, statement, to: key).fork == 0)
      }
    }
    let kept = try (0..<20).map { subfeed in
      try store.feeds.forks(of: SubfeedKey(feed, try SubfeedHash(name: .string("\(subfeed)"))))
    }
    #expect(kept[0].count == 10, "proof that the feed has forked")
    let bytes = kept.joined().reduce(0) { $0 + $1.text.count }
    #expect(bytes > 900_000 && bytes <= 1 << 20, "\(bytes)")
  }

  @Test func aGapIsNotFilledByLaterMessages() async throws {
    let store = try open()
    let writer = try SigningKey.generate()
    let chain = try Self.chain(3, by: writer)
    let key = try Self.key(FeedID(key: writer.publicKey))
    let statement = SubfeedStatement(of: key, beginningWith: chain[0].signature, by: writer)
    let admission = try await store.admit([chain[0], chain[2]], statement, to: key)
    #expect(admission.count == 1)
    #expect(admission.fork == nil)
  }

  @Test func aDeletedFeedLeavesNothing() async throws {
    let store = try open()
    let key = try Self.key(try await store.create("lab"))
    try await store.append([["n": 0]], to: key, at: time)
    #expect(try await store.delete(key.feed))
    #expect(try await store.delete(key.feed) == false)
    #expect(try store.feeds.count(key) == 0)
    #expect(try store.feeds.feed(named: "lab") == nil)
    #expect(try store.feeds.summaries().isEmpty)
    await #expect(throws: KacheryError.self) { try await store.append([["n": 1]], to: key, at: time) }
  }

  @Test func rulesAreKeptForOwnFeedsOnly() async throws {
    let store = try open()
    let key = try Self.key(try await store.create(nil))
    #expect(try store.feeds.rules(of: key) == AccessRules())
    let rules = AccessRules([.init(node: try SigningKey.generate().publicKey, mayWrite: true)])
    try await store.setRules(rules, of: key)
    #expect(try store.feeds.rules(of: key) == rules)
    let foreign = try Self.key(FeedID(key: try SigningKey.generate().publicKey))
    await #expect(throws: KacheryError.self) { try await store.setRules(rules, of: foreign) }
  }

  @Test func reportsWhatIsStored() async throws {
    let store = try open()
    let feed = try await store.create("lab")
    try await store.append([["n": 0], ["n": 1]], to: try Self.key(feed), at: time)
    try await store.append([["n": 0]], to: try Self.key(feed, "second"), at: time)
    let summary = try #require(try store.feeds.summaries().first)
    #expect(summary.feed == feed)
    #expect(summary.names == ["lab"])
    #expect(summary.isWriteable)
    #expect(summary.subfeeds == 2)
    #expect(summary.messages == 3)
    #expect(Set(try store.feeds.subfeeds(of: feed).map(\.count)) == [1, 2])
  }

  @Test func aFullDiskIsReportedToAllClientsAndForgotten() async throws {
    let store = try open()
    let key = try Self.key(try await store.create(nil))
    try await store.append([["n": 0]], to: key, at: time)
    // Another program that locks the database has the same effect as a failing disk.
    let other = try Connection("\(folder.path)/feeds.db")
    try other.execute("CREATE TRIGGER no BEFORE INSERT ON subfeedMessages BEGIN SELECT RAISE(ABORT, 'no'); END")
    await #expect(throws: KacheryError.self) { try await store.append([["n": 1]], to: key, at: time) }
    try other.execute("DROP TRIGGER no")
    try await store.append([["n": 2]], to: key, at: time)
    let messages = try store.feeds.messages(of: key, from: 0).map { try SignedMessage($0) }
    #expect(messages.map(\.number) == [0, 1])
    #expect(messages[1].previous == messages[0].signature)
  }

  /// Messages signed by a writer elsewhere.
  static func chain(_ count: Int, by writer: SigningKey, named name: String = "") throws -> [SignedMessage] {
    var messages: [SignedMessage] = []
    for number in 0..<count {
      messages.append(
        try SignedMessage(
          ["n": .integer(Int64(number)), "name": .string(name)], number: UInt64(number),
          previous: messages.last?.signature, at: WallTime(milliseconds: 5), with: writer))
    }
    return messages
  }
}

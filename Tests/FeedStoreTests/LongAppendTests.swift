import Crypto
import Dispatch
import FeedStore
import Primitives
import TestSupport
import Testing

/// Appends of many messages, which are signed in pieces.
@Suite(.timeLimit(.minutes(2))) struct LongAppendTests {
  /// How a request ended: its name, and the number of messages or the reason.
  private typealias Ended = (name: String, outcome: Result<Int, KacheryError>)

  private let folder: TemporaryFolder
  private let store: OpenFeeds
  private let time = WallTime(milliseconds: 1_600_000_000_000)

  init() throws {
    folder = try TemporaryFolder()
    store = try OpenFeeds(folder.path)
  }

  private static func messages(_ numbers: Range<Int>) -> [JSONObject] { numbers.map { ["n": .integer(Int64($0))] } }

  /// Queues requests while the writing thread is kept busy, and returns how the first `count` of them ended, in order.
  private func queued(
    _ count: Int, _ requests: (_ end: @escaping @Sendable (String, Result<Int, KacheryError>) -> Void) -> Void
  ) async throws -> [Ended] {
    let gate = DispatchSemaphore(value: 0)
    store.feeds.create(named: nil) { _ in gate.wait() }
    let (stream, continuation) = AsyncStream<Ended>.makeStream()
    requests { continuation.yield(($0, $1)) }
    gate.signal()
    var ended: [Ended] = []
    for await end in stream {
      ended.append(end)
      if ended.count == count { break }
    }
    return ended
  }

  /// Another subfeed does not wait for it, and its own subfeed keeps the order of the requests.
  @Test func othersComeBetweenThePieces() async throws {
    let feed = try await store.create(nil)
    let long = SubfeedKey(feed, try SubfeedHash(name: "long"))
    let short = SubfeedKey(feed, try SubfeedHash(name: "short"))
    let ended = try await queued(4) { end in
      for (name, numbers, key) in [
        ("first", 0..<1_003, long), ("second", 1_003..<1_005, long), ("third", 1_005..<2_000, long),
        ("other", 0..<1, short),
      ] {
        store.feeds.append(Self.messages(numbers), to: key, at: time) { end(name, $0.map(\.count)) }
      }
    }
    #expect(ended.map(\.name) == ["other", "first", "second", "third"])
    #expect(try ended.map { try $0.outcome.get() } == [1, 1_003, 2, 995])
    let stored = try store.feeds.messages(of: long, from: 0)
    let numbers = try stored.map { try JSONParser.parse(SignedMessage.plain($0))["n"] }
    #expect(numbers == (0..<2_000).map { .integer(Int64($0)) })
    let signed = try stored.map { try SignedMessage($0) }
    #expect(zip(signed, signed.dropFirst()).allSatisfy { $0.signature == $1.previous })
    store.close()
  }

  /// All or none, also of many: the last message is too large.
  @Test func oneThatFailsLeavesNothing() async throws {
    let key = SubfeedKey(try await store.create(nil), try SubfeedHash(name: "s"))
    let large: JSONObject = ["large": .string(String(repeating: "x", count: SignedMessage.maximumBytes))]
    let messages = Self.messages(0..<1_000)
    await #expect(throws: KacheryError.self) { try await store.append(messages + [large], to: key, at: time) }
    #expect(try store.feeds.count(key) == 0)
    try await store.append(messages, to: key, at: time)
    #expect(try store.feeds.count(key) == 1_000)
    store.close()
  }

  @Test func aFeedThatIsDeletedMeanwhileStaysDeleted() async throws {
    let feed = try await store.create(nil)
    let key = SubfeedKey(feed, try SubfeedHash(name: "s"))
    let ended = try await queued(2) { end in
      store.feeds.append(Self.messages(0..<4_000), to: key, at: time) { end("append", $0.map(\.count)) }
      store.feeds.delete(feed) { end("delete", $0.map { $0 ? 1 : 0 }) }
    }
    for (name, outcome) in ended {
      switch (name, outcome) {
      case ("append", .failure(let error)): #expect(error.code == .forbidden)
      case ("delete", .success(let count)): #expect(count == 1)
      default: Issue.record("\(name): \(outcome)")
      }
    }
    #expect(try store.feeds.count(key) == 0)
    #expect(try !store.feeds.isKnown(feed))
    store.close()
  }

  /// The node stops: what is not written yet is refused, and nothing waits for ever.
  @Test func closingEndsThem() async throws {
    let key = SubfeedKey(try await store.create(nil), try SubfeedHash(name: "s"))
    let ended = try await queued(2) { end in
      for name in ["first", "second"] {
        store.feeds.append(Self.messages(0..<100_000), to: key, at: time) { end(name, $0.map(\.count)) }
      }
      DispatchQueue.global().async { [feeds = store.feeds] in feeds.close() }
    }
    #expect(Set(ended.map(\.name)) == ["first", "second"])
    store.close()
  }
}

import APIModel
import Crypto
import Foundation
import HTTP
import Primitives
import Synchronization
import TestSupport
import Testing

/// `kill -9` while many clients append, fifty times: every acknowledged message is there once and in order.
@Suite(.serialized, .timeLimit(.minutes(5))) struct FeedKillTests {
  private static let rounds = 50
  private static let writers = 6

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func anAppendingDaemonLosesNothing() async throws { try await onOwnThread { try killWhileAppending() } }

  private func killWhileAppending() throws {
    let seed = UInt64(Date().timeIntervalSince1970)
    var random = SeededRandom(seed: seed)
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let feed = try #require(try daemon.post("/feed/createFeed", [:])["feedId"]?.string.flatMap { FeedID(hex: $0) })
    // Two subfeeds, so that a transaction contains messages of both.
    var logs = try ["main", "other"].map { name in
      CheckedLog(SubfeedKey(feed, try #require(SubfeedHash(bytes: ContentHash.of(Array(name.utf8)).bytes))))
    }
    let books = (0..<Self.writers).map { _ in Book() }
    for round in 1...Self.rounds {
      let place: Comment = "seed \(seed), round \(round)"
      let writing = DispatchGroup()
      for (writer, book) in books.enumerated() {
        let request = daemon.request("/feed/appendMessages", [:])
        let writer = Writer(number: writer, key: logs[writer % logs.count].key, request: request, seed: random.next())
        writing.enter()
        Thread.detachNewThread {
          writer.appendUntilDeath(book)
          writing.leave()
        }
      }
      usleep(UInt32(1_000 + random.next() % 120_000))
      daemon.kill()
      #expect(writing.wait(timeout: .now() + 30) == .success, place)
      try daemon.start()
      for index in logs.indices { try logs[index].readOn(daemon, place) }
      for (writer, book) in books.enumerated() {
        let found = logs[writer % logs.count].numbers[writer] ?? []
        book.batches.withLock { $0.check(found, "writer \(writer), \(place)") }
      }
    }
    #expect(logs.allSatisfy { $0.count > Self.rounds }, "\(logs.map(\.count))")
    #expect(daemon.stop() == 0)
  }
}

/// The messages that one writer has sent: numbers from 0 on, some of them in one request.
private struct Batches {
  private var batches: [(numbers: Range<Int>, isAcknowledged: Bool)] = []

  mutating func begin(_ count: Int) -> Range<Int> {
    let start = batches.last?.numbers.upperBound ?? 0
    batches.append((start..<start + count, false))
    return start..<start + count
  }

  mutating func acknowledge() { batches[batches.count - 1].isAcknowledged = true }

  /// Checks that acknowledged batches are there, and that each other batch is there as a whole or not at all; all in
  /// order and only once.
  func check(_ found: [Int], _ place: Comment) {
    var rest = found[...]
    for batch in batches {
      let isThere = rest.first == batch.numbers.lowerBound
      if !isThere, !batch.isAcknowledged { continue }
      #expect(Array(rest.prefix(batch.numbers.count)) == Array(batch.numbers), "\(place)")
      rest = rest.dropFirst(batch.numbers.count)
    }
    #expect(rest.isEmpty, "\(place): \(rest.prefix(5))")
  }
}

/// The batches of one writer; its thread writes them, and the test reads them.
private final class Book: Sendable {
  let batches = Mutex(Batches())
}

/// A client that appends until the daemon dies.
private struct Writer: Sendable {
  let number: Int
  let key: SubfeedKey
  let request: HTTPRequest
  let seed: UInt64

  func appendUntilDeath(_ book: Book) {
    var random = SeededRandom(seed: seed)
    while true {
      let count = random.next() % 3 == 0 ? Int(random.next() % 20) + 1 : 1
      let numbers = book.batches.withLock { $0.begin(count) }
      guard append(numbers) else { return }
      book.batches.withLock { $0.acknowledge() }
    }
  }

  private func append(_ numbers: Range<Int>) -> Bool {
    let messages = numbers.map { ["writer": .integer(Int64(number)), "n": .integer(Int64($0))] as JSONValue }
    var request = request
    let body: JSONValue = [
      "feedId": .string(key.feed.hex), "subfeedHash": .string(key.subfeed.hex), "messages": .array(messages),
    ]
    request.body = .bytes(body.compactBytes)
    guard let (status, answer) = try? HTTPClient.fetch(request, limit: 1 << 16) else { return false }
    let text = String(decoding: answer, as: UTF8.self)
    #expect(status == 200 && text == #"{"success":true}"#, "\(text)")
    return true
  }
}

/// A subfeed that is read back and checked message by message.
private struct CheckedLog {
  let key: SubfeedKey
  private(set) var count = 0
  /// The numbers found in it, by writer, in order.
  private(set) var numbers: [Int: [Int]] = [:]
  private var previous: String?

  init(_ key: SubfeedKey) { self.key = key }

  /// Reads new messages: each is signed, and refers to the previous one.
  mutating func readOn(_ daemon: RunningDaemon, _ place: Comment) throws {
    let watch: JSONValue = [
      "feedId": .string(key.feed.hex), "subfeedHash": .string(key.subfeed.hex), "position": .integer(Int64(count)),
      "channelName": "*local*",
    ]
    let request = daemon.request(
      "/feed/watchForNewMessages", ["subfeedWatches": ["log": watch], "waitMsec": 0, "signed": true])
    let answer = try JSONParser.parse(try HTTPClient.fetch(request, limit: 256 << 20).body)
    for message in answer["messages"]?["log"]?.array ?? [] { try take(message, place) }
  }

  private mutating func take(_ message: JSONValue, _ place: Comment) throws {
    let body = try #require(message["body"])
    let signature = try #require(message["signature"]?.string)
    let bytes = try #require(Hex.decode(signature))
    let signer = try #require(NodeID(bytes: key.feed.bytes))
    #expect(signer.verify(signature: bytes, of: CanonicalJSON.encode(body)), place)
    #expect(body["messageNumber"]?.integer == Int64(count), place)
    #expect(body["previousSignature"]?.string == previous, place)
    let content = try #require(body["message"])
    let writer = Int(try #require(content["writer"]?.integer))
    numbers[writer, default: []].append(Int(try #require(content["n"]?.integer)))
    previous = signature
    count += 1
  }
}

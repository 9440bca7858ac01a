import Crypto
import Database
import FeedStore
import Foundation
import Primitives
import TestSupport
import Testing

/// A `feeds.db` as earlier software left it, created by hand.
@Suite struct OldFeedTests {
  let folder: TemporaryFolder
  let vector: JSONValue
  let texts: [String]
  let key: SubfeedKey

  init() throws {
    folder = try TemporaryFolder()
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/old-feed.json")
    vector = try JSONParser.parse(Array(try Data(contentsOf: file)))
    texts = try #require(vector["messages"]?.array).compactMap(\.string)
    let feed = try #require(vector["feedId"]?.string.flatMap { FeedID(hex: $0) })
    key = SubfeedKey(feed, try #require(vector["subfeedHash"]?.string.flatMap { SubfeedHash(hex: $0) }))
  }

  /// The older software's database: a rollback journal, and no table of forks.
  private func writeOldDatabase() throws {
    let old = try Connection("\(folder.path)/feeds.db", journal: .asFound)
    for sql in [
      "CREATE TABLE feeds (feedId TEXT PRIMARY KEY) WITHOUT ROWID",
      "CREATE TABLE subfeeds (feedId TEXT, subfeedHash TEXT, accessRules TEXT, PRIMARY KEY (feedId, subfeedHash), "
        + "FOREIGN KEY (feedId) REFERENCES feeds (feedId) ON DELETE CASCADE) WITHOUT ROWID",
      "CREATE TABLE subfeedMessages (feedId TEXT, subfeedHash TEXT, position INTEGER, message TEXT, "
        + "PRIMARY KEY (feedId, subfeedHash, position), FOREIGN KEY (feedId, subfeedHash) "
        + "REFERENCES subfeeds (feedId, subfeedHash) ON DELETE CASCADE) WITHOUT ROWID",
    ] { try old.execute(sql) }
    let names: [SQLValue] = [.text(key.feed.hex), .text(key.subfeed.hex)]
    try old.execute("INSERT INTO feeds VALUES(?)", [names[0]])
    try old.execute("INSERT INTO subfeeds VALUES(?, ?, ?)", names + [.text(#"{"rules":[]}"#)])
    for (position, text) in texts.enumerated() {
      try old.execute(
        "INSERT INTO subfeedMessages VALUES(?, ?, ?, ?)", names + [.integer(Int64(position)), .text(text)])
    }
    old.close()
    let mutables = try MutableTable(directory: folder.path)
    let privateKey = try #require(vector["privateKey"])
    try mutables.set(
      ["type": "feedConfig", "feedId": .string(key.feed.hex)],
      ["feedId": .string(key.feed.hex), "privateKey": privateKey])
    try mutables.set(["type": "feedIdForName", "feedName": "notebook"], .string(key.feed.hex))
    mutables.close()
  }

  @Test func messagesOfOlderSoftwareAreVerified() throws {
    #expect(try SubfeedHash(name: "main") == key.subfeed)
    let verifier = try VerifyingKey(NodeID(key.feed))
    let messages = try texts.map { try SignedMessage(Array($0.utf8)) }
    #expect(messages.count == 3)
    for message in messages { #expect(message.isSigned(by: verifier)) }
    #expect(zip(messages.dropFirst(), messages).allSatisfy { $0.previous == $1.signature })
    let altered = try SignedMessage(Array(texts[0].replacing("create", with: "delete").utf8))
    #expect(!altered.isSigned(by: verifier))
  }

  @Test func anOldFeedContinuesAndItsMessagesStayAsTheyAre() async throws {
    try writeOldDatabase()
    let store = try OpenFeeds(folder.path)
    #expect(try store.feeds.feed(named: "notebook") == key.feed)
    #expect(try store.feeds.isWriteable(key.feed))
    #expect(try store.feeds.count(key) == 3)
    try await store.append([["n": 3]], to: key, at: WallTime(milliseconds: 1_700_000_000_000))
    let messages = try store.feeds.messages(of: key, from: 0)
    #expect(messages.prefix(3).map { String(decoding: $0, as: UTF8.self) } == texts)
    let last = try SignedMessage(messages[3])
    #expect(last.previous == (try SignedMessage(messages[2])).signature)
    #expect(last.isSigned(by: try VerifyingKey(NodeID(key.feed))))
  }

  /// The older software opens the database again: its tables must have the form that it knows.
  @Test func whatIsWrittenHereIsReadByOlderSoftware() async throws {
    try writeOldDatabase()
    let store = try OpenFeeds(folder.path)
    try await store.append([["z": 1, "a": "ü"]], to: key, at: WallTime(milliseconds: 1_700_000_000_000))
    store.close()
    let old = try Connection("\(folder.path)/feeds.db", journal: .asFound)
    #expect(try old.firstRow("PRAGMA journal_mode")?.first?.text == "delete")
    let row = try #require(
      try old.firstRow(
        "SELECT message FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ? AND position = 3",
        [.text(key.feed.hex), .text(key.subfeed.hex)]))
    let document = try JSONParser.parse(try #require(row[0].text))
    let body = try #require(document["body"])
    #expect(body["messageNumber"] == 3)
    #expect(body["message"] == ["z": 1, "a": "ü"])
    let signature = try #require(document["signature"]?.string.flatMap { Hex.decode($0) })
    #expect(NodeID(key.feed).verify(signature: signature, of: CanonicalJSON.encode(body)))
  }

  @Test func aStrangeKeyIsNotUsed() throws {
    try writeOldDatabase()
    let mutables = try MutableTable(directory: folder.path)
    let other = FeedID(key: try SigningKey.generate().publicKey)
    try mutables.set(
      ["type": "feedConfig", "feedId": .string(other.hex)],
      ["feedId": .string(other.hex), "privateKey": try #require(vector["privateKey"])])
    let feeds = try FeedStore(directory: folder.path, mutables: mutables)
    #expect(throws: KacheryError.self) { try feeds.isWriteable(other) }
  }
}

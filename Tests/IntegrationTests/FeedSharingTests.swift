import Crypto
import Database
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Feeds replicated between real daemons.
@Suite(.serialized, .timeLimit(.minutes(3))) struct FeedSharingTests {
  private let folder: TemporaryFolder
  private let writer: RunningDaemon
  private let reader: RunningDaemon
  private let bootstrap: RunningDaemon
  private let options: [String]

  init() throws {
    folder = try TemporaryFolder()
    bootstrap = try RunningDaemon(in: folder.path("bootstrap"), ["--isbootstrap", "--port", "0"])
    options = ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)", "--channel", "lab"]
    writer = try RunningDaemon(in: folder.path("writer"), options)
    reader = try RunningDaemon(in: folder.path("reader"), options)
    try writer.waitForLinks(2)
    try reader.waitForLinks(2)
  }

  private static let subfeed = "b28b7af69320201d1cf206ebf28373980add1451"  // SHA-1 of "main"

  private func names(_ feed: String) -> [(String, JSONValue)] {
    [("feedId", .string(feed)), ("subfeedHash", .string(Self.subfeed))]
  }

  private func request(_ feed: String, _ more: [(String, JSONValue)]) -> JSONValue {
    var object = JSONObject()
    for (name, value) in names(feed) + more { object[ByteString(name)] = value }
    return .object(object)
  }

  private func createFeed(with count: Int) throws -> String {
    try writer.createFeed(of: count).feed.hex
  }

  private func append(_ messages: [JSONValue], to feed: String) throws {
    let answer = try writer.post("/feed/appendMessages", request(feed, [("messages", .array(messages))]))
    #expect(answer == ["success": true])
  }

  private func read(
    _ node: RunningDaemon, _ feed: String, from position: Int64, wait: Int64 = 20_000, signed: Bool = false
  ) throws -> [JSONValue] {
    let answer = try node.post(
      "/feed/watchForNewMessages",
      [
        "subfeedWatches": ["w": request(feed, [("position", .integer(position))])], "waitMsec": .integer(wait),
        "signed": .bool(signed),
      ])
    return answer["messages"]?["w"]?.array ?? []
  }

  private func readAll(_ node: RunningDaemon, _ feed: String, _ count: Int) throws -> [JSONValue] {
    var messages: [JSONValue] = []
    while messages.count < count {
      let more = try read(node, feed, from: Int64(messages.count))
      guard !more.isEmpty else { return messages }
      messages += more
    }
    return messages
  }

  private func numbers(_ range: Range<Int64>) -> [JSONValue] { range.map { ["n": .integer($0)] } }

  @Test func messagesAreReadOnAnotherNodeLive() throws {
    let feed = try createFeed(with: 1_000)
    let info = try reader.post("/feed/getFeedInfo", ["feedId": .string(feed)])
    #expect(info == ["success": true, "isWriteable": false, "nodeId": .string(try writer.nodeID.hex)])
    #expect(try readAll(reader, feed, 1_000) == numbers(0..<1_000))
    for number in 1_000..<1_020 {
      try append(numbers(Int64(number)..<Int64(number) + 1), to: feed)
      #expect(try read(reader, feed, from: Int64(number)) == numbers(Int64(number)..<Int64(number) + 1))
    }
    let signed = try #require(try read(reader, feed, from: 5, signed: true).first)
    let body = try #require(signed["body"])
    let signature = try #require(signed["signature"]?.string.flatMap { Hex.decode($0) })
    let key = try #require(NodeID(hex: feed))
    #expect(key.verify(signature: signature, of: CanonicalJSON.encode(body)))
  }

  @Test func messagesOfAnySizeTravel() throws {
    let feed = try createFeed(with: 0)
    let texts = [70_000, 3_000_000, 1].map { String(repeating: "x", count: $0) }
    try append(texts.map { ["text": .string($0)] }, to: feed)
    #expect(try readAll(reader, feed, 3).map { $0["text"]?.string?.utf8.count } == [70_000, 3_000_000, 1])
  }

  @Test func copiesAreReadWhileTheWriterIsAwayAndGoOnWhenItIsBack() throws {
    let feed = try createFeed(with: 20)
    #expect(try readAll(reader, feed, 20).count == 20)
    writer.kill()
    #expect(try read(reader, feed, from: 0, wait: 0).count == 20)
    let info = try reader.post("/feed/getFeedInfo", ["feedId": .string(feed), "timeoutMsec": 200])
    #expect(info["success"] == true)
    let third = try RunningDaemon(in: folder.path("third"), options)
    try third.waitForLinks(2)
    #expect(try readAll(third, feed, 20) == numbers(0..<20))
    try writer.start()
    try append(numbers(20..<21), to: feed)
    #expect(try read(third, feed, from: 20) == numbers(20..<21))
    #expect(try read(reader, feed, from: 20) == numbers(20..<21))
  }

  private func statements(of node: RunningDaemon) throws -> Int64? {
    let database = try Connection("\(node.storage)/feeds.db", journal: .asFound)
    defer { database.close() }
    return try database.firstRow("SELECT count(*) FROM subfeedStatements")?[0].integer
  }

  /// Earlier software has left the messages on the writer and on a replica, without the writer's statement.
  @Test func messagesOfEarlierSoftwareAreProvenByTheirWriter() throws {
    let feed = try createFeed(with: 20)
    #expect(try readAll(reader, feed, 20).count == 20)
    for node in [writer, reader] {
      #expect(try statements(of: node) == 1)
      node.kill()
      let database = try Connection("\(node.storage)/feeds.db", journal: .asFound)
      try database.execute("DROP TABLE subfeedStatements")
      database.close()
    }
    try reader.start()
    let third = try RunningDaemon(in: folder.path("third"), options)
    try third.waitForLinks(2)
    #expect(try read(third, feed, from: 0, wait: 2_000).isEmpty, "no node can prove them")
    #expect(try read(reader, feed, from: 0, wait: 0) == numbers(0..<20), "they are read where they are")
    try writer.start()
    #expect(try readAll(third, feed, 20) == numbers(0..<20))
    // The replica was asked for them, and therefore looks for the statement.
    for _ in 0..<1_000 where try statements(of: reader) != 1 { Thread.sleep(forTimeInterval: 0.01) }
    #expect(try statements(of: reader) == 1)
  }

  @Test func onlyNodesWithARuleMaySubmit() throws {
    let feed = try createFeed(with: 1)
    func submit(_ number: Int64) throws -> JSONValue {
      try reader.post(
        "/feed/submitMessage", request(feed, [("message", ["n": .integer(number)]), ("timeoutMsec", 10_000)]))
    }
    let refused = try submit(1)
    #expect(refused["success"] == false)
    #expect(refused["error"]?.string?.contains("rule") == true)
    let rules: JSONValue = ["rules": [["nodeId": .string(try reader.nodeID.hex), "write": true]]]
    #expect(try writer.post("/feed/setAccessRules", request(feed, [("accessRules", rules)]))["success"] == true)
    #expect(try submit(1) == ["success": true])
    #expect(try read(writer, feed, from: 1) == numbers(1..<2))
  }

  @Test func strangersLearnNothing() throws {
    let feed = try createFeed(with: 3)
    let stranger = try RunningDaemon(
      in: folder.path("stranger"), ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)", "--channel", "other"])
    try stranger.waitForLinks(1)
    let info = try stranger.post("/feed/getFeedInfo", ["feedId": .string(feed), "timeoutMsec": 500])
    #expect(info["success"] == false)
    #expect(try read(stranger, feed, from: 0, wait: 500).isEmpty)
  }
}

import Foundation
import HTTP
import Primitives
import Synchronization
import TestSupport
import Testing

/// Feeds of one daemon through its API.
@Suite(.timeLimit(.minutes(2))) struct FeedTests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    daemon = try RunningDaemon(in: folder.path("node"), [])
  }

  private static let subfeed = String(repeating: "ab", count: 20)

  private func createFeed(_ name: String? = nil) throws -> String {
    let answer = try daemon.post("/feed/createFeed", name.map { ["feedName": .string($0)] } ?? [:])
    #expect(answer["success"] == true)
    return try #require(answer["feedId"]?.string)
  }

  private func append(_ messages: [JSONValue], to feed: String) throws {
    let answer = try daemon.post(
      "/feed/appendMessages",
      ["feedId": .string(feed), "subfeedHash": .string(Self.subfeed), "messages": .array(messages)])
    #expect(answer == ["success": true])
  }

  private func watching(_ feed: String, from position: Int64, wait: Int64, signed: Bool = false) -> HTTPRequest {
    let watch: JSONValue = [
      "feedId": .string(feed), "subfeedHash": .string(Self.subfeed), "position": .integer(position),
      "channelName": "*local*",
    ]
    return daemon.request(
      "/feed/watchForNewMessages",
      ["subfeedWatches": ["w": watch], "waitMsec": .integer(wait), "maxNumMessages": 0, "signed": .bool(signed)])
  }

  private func watch(_ feed: String, from position: Int64, wait: Int64 = 0, signed: Bool = false) throws -> [JSONValue]
  {
    try Self.messages(watching(feed, from: position, wait: wait, signed: signed))
  }

  private static func messages(_ request: HTTPRequest) throws -> [JSONValue] {
    let (status, body) = try HTTPClient.fetch(request, limit: 1 << 20)
    let answer = try JSONParser.parse(body)
    #expect(status == 200)
    #expect(answer["success"] == true)
    return answer["messages"]?["w"]?.array ?? []
  }

  @Test func whatIsAppendedIsRead() async throws {
    try await blocking {
      let feed = try createFeed("lab")
      #expect(try daemon.post("/feed/getFeedId", ["feedName": "lab"])["feedId"] == .string(feed))
      #expect(try daemon.post("/feed/getFeedId", ["feedName": "other"]) == ["success": false, "feedId": .null])
      let info = try daemon.post("/feed/getFeedInfo", ["feedId": .string(feed), "timeoutMsec": .null])
      #expect(info == ["success": true, "isWriteable": true, "nodeId": .string(try daemon.nodeID.hex)])
      try append([["n": 0, "text": "größer"], ["n": 1]], to: feed)
      #expect(try watch(feed, from: 0) == [["n": 0, "text": "größer"], ["n": 1]])
      #expect(try watch(feed, from: 2).isEmpty)
      let signed = try #require(try watch(feed, from: 1, signed: true).first)
      #expect(signed["body"]?["messageNumber"] == 1)
      #expect(signed["body"]?["previousSignature"]?.string?.count == 128)
      let names: JSONValue = ["feedId": .string(feed), "subfeedHash": .string(Self.subfeed)]
      #expect(try daemon.post("/feed/getNumLocalMessages", names)["numMessages"] == 2)
      #expect(try daemon.post("/feed/deleteFeed", ["feedId": .string(feed)]) == ["success": true])
      #expect(try daemon.post("/feed/deleteFeed", ["feedId": .string(feed)])["success"] == false)
      #expect(try watch(feed, from: 0).isEmpty)
    }
  }

  @Test func rulesAreSetAndRead() async throws {
    try await blocking {
      let feed = try createFeed()
      let names: [(String, JSONValue)] = [("feedId", .string(feed)), ("subfeedHash", .string(Self.subfeed))]
      var request = JSONObject()
      for (name, value) in names { request[ByteString(name)] = value }
      let unset = try daemon.post("/feed/getAccessRules", .object(request))
      #expect(unset == ["success": true, "accessRules": ["rules": []]])
      let rules: JSONValue = ["rules": [["nodeId": .string(try daemon.nodeID.hex), "write": true]]]
      request["accessRules"] = rules
      #expect(try daemon.post("/feed/setAccessRules", .object(request)) == ["success": true])
      #expect(try daemon.post("/feed/getAccessRules", .object(request))["accessRules"] == rules)
    }
  }

  @Test func aWatchWaitsForTheFirstMessage() async throws {
    try await blocking {
      let feed = try createFeed()
      #expect(try watch(feed, from: 0, wait: 50).isEmpty)
      let found = Mutex<[[JSONValue]]>([])
      let request = watching(feed, from: 0, wait: 30_000)
      let group = DispatchGroup()
      for _ in 0..<8 {
        group.enter()
        Thread.detachNewThread {
          let messages = (try? Self.messages(request)) ?? []
          found.withLock { $0.append(messages) }
          group.leave()
        }
      }
      for _ in 0..<2_000 where try daemon.counter("kachery_feed_watchers") < 8 { usleep(5_000) }
      #expect(try daemon.counter("kachery_feed_watchers") == 8)
      try append([["n": 0]], to: feed)
      #expect(group.wait(timeout: .now() + 20) == .success)
      #expect(found.withLock { $0 } == [[JSONValue]](repeating: [["n": 0]], count: 8))
      for _ in 0..<2_000 where try daemon.counter("kachery_feed_watchers") > 0 { usleep(5_000) }
      #expect(try daemon.counter("kachery_feed_watchers") == 0)
    }
  }

  @Test func aStreamSendsEachMessageAndResumesAfterTheLast() async throws {
    try await blocking {
      let feed = try createFeed()
      try append([["n": 0], ["n": 1]], to: feed)
      let path = "/v1/feeds/\(feed)/~\(Self.subfeed)/stream"
      var text = ""
      try stream(path, until: { text.contains("data: {\"n\":2}\n\n") }) { bytes in
        text += String(decoding: bytes, as: UTF8.self)
        if text.contains("data: {\"n\":1}\n\n"), !text.contains("\"n\":2") { try append([["n": 2]], to: feed) }
      }
      #expect(text.contains("id: 0\ndata: {\"n\":0}\n\nid: 1\ndata: {\"n\":1}\n\nid: 2\ndata: {\"n\":2}\n\n"))
      var rest = ""
      try stream(
        path, headers: [("Last-Event-ID", "1")], until: { rest.contains("\n\n\nid: ") || rest.contains("n\":2") }
      ) {
        rest += String(decoding: $0, as: UTF8.self)
      }
      #expect(rest.contains("id: 2\n") && !rest.contains("id: 1\n"))
    }
  }

  private func stream(
    _ path: String, headers: [(String, String)] = [], until isDone: () -> Bool, _ receive: ([UInt8]) throws -> Void
  ) throws {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(daemon.apiPort)\(path)?token=\(daemon.token)")
    request.headers = headers.map { (name: $0.0, value: $0.1) }
    request.timeout = .seconds(30)
    var failure: (any Error)?
    // A browser disconnects by no longer reading.
    _ = try? HTTPClient.stream(request) { status, bytes in
      #expect(status == 200, "\(String(decoding: bytes, as: UTF8.self))")
      do { try receive(Array(bytes)) } catch { failure = error }
      return !isDone() && failure == nil
    }
    if let failure { throw failure }
    #expect(isDone())
  }

  @Test func wrongRequestsGetAReason() async throws {
    try await blocking {
      let feed = try createFeed()
      let names = "\"feedId\":\"\(feed)\",\"subfeedHash\":\"\(Self.subfeed)\""
      let bad: [(path: String, body: String, reason: String)] = [
        ("appendMessages", "{\(names),\"messages\":[1]}", "JSON object"),
        ("appendMessages", "{\(names),\"messages\":{}}", "'messages'"),
        ("appendMessages", "{\"feedId\":\"12\",\"subfeedHash\":\"\(Self.subfeed)\",\"messages\":[]}", "'feedId'"),
        ("setAccessRules", "{\(names),\"accessRules\":{\"rules\":[{\"nodeId\":\"x\",\"write\":true}]}}", "nodeId"),
        ("watchForNewMessages", "{\"subfeedWatches\":[]}", "'subfeedWatches'"),
        ("getFeedInfo", "not JSON", "JSON"),
      ]
      for (path, body, reason) in bad {
        var request = daemon.request("/feed/\(path)", [:])
        request.body = .bytes(Array(body.utf8))
        let (status, answer) = try HTTPClient.fetch(request, limit: 1 << 16)
        #expect(status == 400, "\(path) \(body)")
        #expect(String(decoding: answer, as: UTF8.self).contains(reason))
      }
      let foreign = String(repeating: "12", count: 32)
      let refused = try daemon.post(
        "/feed/appendMessages",
        ["feedId": .string(foreign), "subfeedHash": .string(Self.subfeed), "messages": [["n": 1]]])
      #expect(refused["success"] == false)
      #expect(refused["error"]?.string?.contains("another node") == true)
      let long = try daemon.post(
        "/feed/submitMessage",
        [
          "feedId": .string(feed), "subfeedHash": .string(Self.subfeed), "timeoutMsec": 100,
          "message": ["text": .string(String(repeating: "x", count: 10_000))],
        ])
      #expect(long["success"] == false)
      #expect(long["error"]?.string?.contains("10000") == true)
    }
  }
}

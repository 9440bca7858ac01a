import APIModel
import Crypto
import Diagnostics
import EventLoop
import Foundation
import HTTP
import LocalAPI
import Primitives
import TestSupport
import Testing

@Suite struct LocalAPITests {
  /// A server in front of a fake node, for the duration of a test.
  private struct Service {
    let node: FakeNode
    let base: String
    let token: String

    func request(_ method: String, _ path: String, _ body: [UInt8]? = nil) -> HTTPRequest {
      var request = HTTPRequest(method, base + path)
      request.headers = [(APIVersion.tokenHeader, token)]
      if let body { request.body = .bytes(body) }
      request.timeout = .seconds(20)
      return request
    }

    func post(_ path: String, _ body: String) async throws -> (status: Int, body: String) {
      try await fetch(request("POST", path, Array(body.utf8)))
    }

    /// The client blocks, so it runs on a separate thread: tasks, including the server's, need theirs.
    func fetch(_ request: HTTPRequest) async throws -> (status: Int, body: String) {
      try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
          continuation.resume(
            with: Result {
              let (status, body) = try HTTPClient.fetch(request, limit: 64 << 20)
              return (status, String(decoding: body, as: UTF8.self))
            })
        }
      }
    }
  }

  private func withService(_ body: (Service) async throws -> Void) async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "api")
    let node = try FakeNode(loop: loop)
    let token = try ClientToken(path: folder.path("client-auth"))
    let server = try LocalAPIServer(
      loop: loop, node: node, host: "127.0.0.1", port: 0, access: .storageDirectory(token), policy: AccessPolicy(),
      log: .disabled)
    try await server.start()
    let shown = try String(contentsOfFile: folder.path("client-auth"), encoding: .utf8)
    try await body(Service(node: node, base: "http://127.0.0.1:\(await server.port)", token: shown))
    await server.stop()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  private let key = #""fileKey":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}"#

  @Test func theStoreIsKeptThroughTheAPI() async throws {
    let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    try await withService { service in
      #expect(try await service.post("/v1/store/list", #"{"after":"\#(hash)"}"#).body.contains(#""after":"\#(hash)""#))
      #expect(try await service.post("/v1/store/usage", "{}").body == #"{"limit":null}"#)
      check(try await service.post("/v1/store/verify", "{}").body.hasSuffix(#"{"type":"finished","only":null}"#))
      let some = try await service.post("/v1/store/verify", #"{"sha1s":["\#(hash)"]}"#)
      #expect(some.body.hasSuffix(#"{"type":"finished","only":1}"#))
      #expect(try await service.post("/v1/store/remove", #"{"sha1s":["\#(hash)"]}"#).body.contains(hash))
      #expect(try await service.post("/v1/store/pin", #"{"sha1s":[]}"#).body.contains(#""isPinned":true"#))
      #expect(try await service.post("/v1/store/unpin", #"{"sha1s":[]}"#).body.contains(#""isPinned":false"#))
      #expect(
        try await service.post("/v1/store/collect", #"{"emptyTrash":true}"#).body
          == #"{"trash":true,"damaged":false,"isPreview":false}"#)
      #expect(try await service.post("/v1/store/collect/preview", "{}").body.contains(#""isPreview":true"#))
      #expect(try await service.post("/v1/store/remove/preview", #"{"sha1s":["\#(hash)"]}"#).body.contains("preview"))
      let sparing = try await service.post("/v1/store/unpin", #"{"sha1s":[],"spareFolders":true}"#)
      #expect(sparing.body.contains(#""sparing":true"#))
      let released = try await service.post("/v1/store/release", #"{"sha1s":["\#(hash)"],"dryRun":true}"#).body
      #expect(released.contains(#""type":"released","sha1":"\#(hash)","bytes":1"#))
      #expect(released.hasSuffix(#"{"type":"finished"}"#))
      #expect(try await service.post("/v1/store/release", #"{"sha1s":["no hash"]}"#).status == 400)
    }
  }

  @Test func aRangeIsRead() async throws {
    try await withService { service in
      check(try await service.post("/v1/read", "{\(key),\"endByte\":7000}").body.utf8.count == 7_000)
      #expect(try await service.post("/v1/read", "{\(key),\"startByte\":1}").status == 400)
      #expect(try await service.post("/v1/read", "{\(key),\"startByte\":-1}").status == 400)
      #expect(try await service.post("/v1/read", "{}").status == 400)
    }
  }

  @Test func manyFilesAreLoadedByOneRequest() async throws {
    try await withService { service in
      let files = ["da", "ee"].map { #"{"sha1":"\#($0)39a3ee5e6b4b0d3255bfef95601890afd80709"}"# }
      let answer = try await service.post("/v1/load", #"{"files":[\#(files.joined(separator: ","))]}"#)
      #expect(answer.status == 200)
      #expect(answer.body.contains(#"{"type":"loaded","index":0,"localFilePath":"/data/file"}"#))
      #expect(answer.body.contains(#"{"type":"failed","index":1,"error":"No node has it.","code":"not_found"}"#))
      #expect(answer.body.hasSuffix(#"{"type":"finished","loaded":1,"failed":1}"#))
      for wrong in ["{}", #"{"files":7}"#, #"{"files":[7]}"#, #"{"files":[{"sha1":"12"}]}"#] {
        #expect(try await service.post("/v1/load", wrong).status == 400, "\(wrong)")
      }
      #expect(try await service.fetch(service.request("GET", "/v1/peers")).body.contains(#""address":"10.0.0.1:1""#))
    }
  }

  @Test(arguments: [
    ("remove", "{}"), ("remove", #"{"sha1s":"all"}"#), ("pin", #"{"sha1s":["12"]}"#), ("pin", #"{"sha1s":[7]}"#),
    ("verify", #"{"sha1s":{}}"#), ("list", #"{"after":"x"}"#), ("collect", #"{"emptyTrash":"yes"}"#), ("usage", "[]"),
  ])
  func wrongCallsToTheStoreAreRefused(call: String, body: String) async throws {
    try await withService { service in
      let answer = try await service.post("/v1/store/\(call)", body)
      #expect(answer.status == 400, "\(answer)")
      #expect(!answer.body.isEmpty)
    }
  }

  @Test func everyRouteAnswers() async throws {
    try await withService { service in
      check(try await service.fetch(service.request("GET", "/probe")).body.contains(#""success":true"#))
      #expect(
        try await service.fetch(service.request("GET", "/stats?format=json")).body.hasPrefix(
          #"{"success":true,"format":"json""#))
      let metrics = try await service.fetch(service.request("GET", "/metrics")).body
      #expect(metrics.contains("kachery_api_requests_total"))
      #expect(metrics.contains("kachery_channels_named 1"))
      #expect(metrics.contains("kachery_api_answer_seconds_count 2\n"), "the two requests before this one")
      #expect(metrics.hasSuffix("# TYPE kachery_things gauge\nkachery_things{kind=\"\\\"a\\\"\\n\"} 1\n"))
      #expect(
        try await service.post("/storeFile", #"{"localFilePath":"/there"}"#).body.contains(
          #""success":true,"error":null"#))
      let refused = try await service.post("/storeFile", #"{"localFilePath":"/nowhere"}"#)
      #expect(refused.status == 200)
      #expect(refused.body.contains(#""success":false,"error":"There is no file '/nowhere'.""#))
      check(try await service.post("/findFile", "{\(key)}").body.contains(#""fileSize":5"#))
      let load = try await service.post("/loadFile", "{\(key),\"fromNode\":null}").body
      #expect(load.contains(#"{"type":"progress","bytesLoaded":1,"bytesTotal":2,"nodeId":null}"#))
      #expect(load.hasSuffix(#"{"type":"finished","localFilePath":"/data/file"}"#))
      let failed = try await service.post(
        "/loadFile", #"{"fileKey":{"sha1":"ee39a3ee5e6b4b0d3255bfef95601890afd80709"}}"#)
      #expect(failed.body.hasSuffix(#"{"type":"error","error":"No node has it.","code":"not_found"}"#))
      check(try await service.post("/downloadFileData", "{\(key)}").body.utf8.count == 30_000_000)
      check(try await service.fetch(service.request("GET", "/halt")).body == #"{"success":true}"#)
      #expect(await service.node.wasStopped)
    }
  }

  @Test func mutablesFollowTheirRows() async throws {
    try await withService { service in
      check(
        try await service.post("/mutable/get", #"{"key":"k"}"#).body == #"{"success":true,"found":false,"value":""}"#)
      check(try await service.post("/mutable/set", #"{"key":"k","value":{"a":1}}"#).body == #"{"success":true}"#)
      check(
        try await service.post("/mutable/set", #"{"key":"k","value":2,"update":false}"#).body == #"{"success":false}"#)
      #expect(
        try await service.post("/mutable/get", #"{"key":"k"}"#).body
          == #"{"success":true,"found":true,"value":{"a":1}}"#)
      check(try await service.post("/mutable/delete", #"{"key":"k"}"#).body == #"{"success":true}"#)
    }
  }

  @Test func anUploadOfAnySizeIsHashed() async throws {
    try await withService { service in
      for count in [0, 1, 100_000, 20_000_000] {
        let bytes = PatternBytes.make(count)
        let answer = try await service.fetch(service.request("POST", "/store", bytes)).body
        #expect(answer.contains(ContentHash.of(bytes).hex), "\(count) bytes")
      }
    }
  }

  @Test func withoutATokenThereIsNoAccess() async throws {
    try await withService { service in
      var request = service.request("POST", "/mutable/get", Array(#"{"key":"k"}"#.utf8))
      request.headers = []
      check(try await service.fetch(request).status == 403)
      request.headers = [(APIVersion.tokenHeader, service.token + "x")]
      check(try await service.fetch(request).status == 403)
      var probe = service.request("GET", "/probe")
      probe.headers = []
      check(try await service.fetch(probe).status == 200)
    }
  }

  /// Tokens issued to pages are valid for reading only.
  @Test func aReadingTokenOnlyReads() async throws {
    try await withService { service in
      _ = try await service.post("/mutable/set", #"{"key":"_other_client_auth_codes","value":["page"]}"#)
      var read = service.request("POST", "/mutable/get", Array(#"{"key":"k"}"#.utf8))
      read.headers = [(APIVersion.tokenHeader, "page")]
      check(try await service.fetch(read).status == 200)
      for path in ["/store", "/storeFile", "/linkFile", "/mutable/set", "/mutable/delete", "/v1/doctor", "/v1/meeting"]
      {
        var write = service.request("POST", path, Array("{}".utf8))
        write.headers = [(APIVersion.tokenHeader, "page")]
        check(try await service.fetch(write).status == 403, "\(path)")
      }
    }
  }

  @Test func theNetworkIsCheckedForAnOwner() async throws {
    try await withService { service in
      let answer = try await service.post("/v1/doctor", "{}")
      #expect(answer.status == 200)
      let checkup = try Checkup(json: try JSONParser.parse(Array(answer.body.utf8)))
      #expect(checkup.findings.map(\.code) == [.noDaemon, .diskFull])
      #expect(answer.body.contains(#""isWell":false"#))
      #expect(try await service.post("/v1/doctor", "[]").status == 400)
      #expect(try await service.fetch(service.request("GET", "/v1/doctor")).status == 405)
    }
  }

  @Test func anOwnerSeesHowTheNodeMeetsOthers() async throws {
    try await withService { service in
      func state(_ body: String) async throws -> MeetingState {
        let answer = try await service.post("/v1/meeting", body)
        #expect(answer.status == 200)
        return try MeetingState(json: try JSONParser.parse(Array(answer.body.utf8)))
      }
      let all = try await state("{}")
      #expect(all.label == "fake" && all.isBootstrap && all.ownAddresses == ["192.0.2.1:14507"] && all.channel == nil)
      #expect(try await state(#"{"channel":"lab"}"#).channel?.membership == .unread)
      #expect(try await state(#"{"channel":"lab","refresh":true}"#).channel?.membership == .listed)
      #expect(try await service.post("/v1/meeting", #"{"channel":"absent"}"#).status == 404)
    }
  }

  /// A page may read what the user's programs have stored, and no more.
  @Test func aReadingTokenGetsNoSecrets() async throws {
    try await withService { service in
      let secrets = [
        #""_other_client_auth_codes""#, #""_joined_channels_config""#, #""_later""#,
        #"{"type":"feedConfig","feedId":"f"}"#, #"{"feedId":"f","type":"feedConfig"}"#, #"{"type":7}"#,
      ]
      let values = [#""k""#, #"{"name":"k"}"#, #"["type"]"#, "7", #"{"type":"feedIdForName","feedName":"n"}"#]
      for key in secrets + values {
        let value = key == secrets[0] ? #"["page"]"# : key == secrets[1] ? #"{"joinedChannels":[]}"# : "1"
        check(try await service.post("/mutable/set", #"{"key":\#(key),"value":\#(value)}"#).status == 200)
      }
      for (keys, status) in [(secrets, 403), (values, 200)] {
        for key in keys {
          var read = service.request("POST", "/mutable/get", Array(#"{"key":\#(key)}"#.utf8))
          check(try await service.fetch(read).status == 200, "\(key), the owner")
          read.headers = [(APIVersion.tokenHeader, "page")]
          check(try await service.fetch(read).status == status, "\(key)")
        }
      }
    }
  }

  @Test(arguments: [
    "evil.example.org", "localhost.evil.org", "127.0.0.1.evil.org", "", "[::1].evil.org", "127.0.0.1:80@evil.org",
    "127.0.0.1:8o", "[::1", "::1", "localhost:80:80", "127.evil.org", "127.0.0.１", "128.0.0.1",
  ])
  func foreignHostNamesAreRefused(host: String) async throws {
    try await withService { service in
      var request = service.request("GET", "/probe")
      request.headers.append(("Host", host))
      check(try await service.fetch(request).status >= 400)
    }
  }

  @Test func pagesOfAllowedOriginsMayAsk() async throws {
    try await withService { service in
      var preflight = service.request("OPTIONS", "/mutable/get")
      preflight.headers = [("Origin", "http://localhost:3000"), ("Access-Control-Request-Method", "POST")]
      check(try await service.fetch(preflight).status == 204)
      preflight.headers = [("Origin", "http://evil.example.org"), ("Access-Control-Request-Method", "POST")]
      check(try await service.fetch(preflight).status == 403)
    }
  }

  @Test func wrongRequestsGetASentence() async throws {
    try await withService { service in
      for (path, body) in [
        ("/loadFile", ""), ("/loadFile", "{"), ("/loadFile", "[]"), ("/mutable/set", "{}"), ("/mutable/get", "7"),
        ("/storeFile", #"{"localFilePath":7}"#), ("/findFile", #"{"fileKey":{"sha1":"x"}}"#),
      ] {
        let answer = try await service.post(path, body)
        #expect(answer.status == 400, "\(path) \(body)")
        #expect(answer.body.hasSuffix("."), "\(answer.body)")
      }
      check(try await service.post("/nothing", "{}").status == 404)
      check(try await service.fetch(service.request("GET", "/store")).status == 405)
      check(try await service.post("/mutable/get", #"{"key":1}"#).status == 200)
    }
  }

  @Test func aBodyThatIsTooLargeIsRefused() async throws {
    try await withService { service in
      let answer = try await service.fetch(
        service.request("POST", "/mutable/set", [UInt8](repeating: 0x20, count: (64 << 20) + 1)))
      #expect(answer.status == 413)
      #expect(answer.body.hasSuffix("."))
    }
  }

  @Test func aClientThatHangsUpCancelsItsLoad() async throws {
    try await withService { service in
      let body = Array(#"{"fileKey":{"sha1":"ff39a3ee5e6b4b0d3255bfef95601890afd80709"}}"#.utf8)
      // The client hangs up after the first message.
      let request = service.request("POST", "/loadFile", body)
      Thread.detachNewThread { _ = try? HTTPClient.stream(request) { _, _ in false } }
      await service.node.untilCancelled()
      #expect(await service.node.cancelledLoads == 1)
    }
  }

  @Test func theStatusPageOpensInABrowserThatHasTheToken() async throws {
    try await withService { service in
      var page = service.request("GET", "/stats?format=html&token=\(service.token)")
      page.headers = []
      check(try await service.fetch(page).status == 200)
      page.url = service.base + "/stats?format=html&token=wrong"
      check(try await service.fetch(page).status == 403)
      // The page is open to all, but not to a program with a wrong token.
      var root = service.request("GET", "/")
      root.headers = [(APIVersion.tokenHeader, "wrong")]
      check(try await service.fetch(root).status == 403)
      page.url = service.base + "/metrics?token=\(service.token)"
      check(try await service.fetch(page).status == 403)
    }
  }

  /// Labels are received from other nodes: none of their text becomes markup.
  @Test func theStatusPageShowsWhatOthersSentAsText() async throws {
    try await withService { service in
      let page = try await service.fetch(service.request("GET", "/")).body
      #expect(page.contains("fake &amp; more"))
      #expect(page.contains("&lt;script&gt;"))
      #expect(!page.contains("<script>"))
      // With the combining mark it is one `Character`.
      #expect(!page.contains(bytesOf: "<\u{301}"))
      #expect(!page.contains("<b>lab"))
    }
  }

  /// Whatever the body, there is an answer, and the server continues.
  @Test(arguments: 0..<8)
  func randomBodiesAlwaysGetAnAnswer(seed: UInt64) async throws {
    let bodies = [
      #"{"fileKey":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","manifestSha1":null},"timeoutMsec":1}"#,
      #"{"key":{"a":[1,2,{"b":null}]},"value":"x","update":false}"#,
      #"{"localFilePath":"/there","size":5,"mtime":1.5}"#,
      #"{"fileKey":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"},"startByte":5,"endByte":6}"#,
    ]
    let paths = [
      "/loadFile", "/findFile", "/storeFile", "/linkFile", "/downloadFileData", "/mutable/get", "/mutable/set",
      "/mutable/delete", "/store", "/probe", "/halt", "/%00", "/..", "/a?b=%",
    ]
    try await withService { service in
      var random = SeededRandom(seed: seed)
      for _ in 0..<60 {
        let body = random.mutated(Array((bodies.randomElement(using: &random) ?? "").utf8))
        let path = paths.randomElement(using: &random) ?? "/"
        // A load of a file that never arrives would wait forever.
        guard
          !(path == "/loadFile" && body.contains(UInt8(ascii: "f"))
            && String(decoding: body, as: UTF8.self).contains(#""ff"#))
        else { continue }
        let status = try await service.fetch(service.request("POST", path, body)).status
        #expect((200..<600).contains(status), "seed \(seed): \(path)")
      }
      check(try await service.fetch(service.request("GET", "/probe")).status == 200)
    }
  }

  /// `#expect` cannot expand a call that may throw inside a closure.
  private func check(_ isTrue: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, comment, sourceLocation: sourceLocation)
  }

  /// The error names the place in the client's request.
  @Test func aNumberThatCannotBeSignedIsNamedWithItsPlace() async throws {
    try await withService { service in
      let key = #""feedId":"\#(FakeNode.feed.hex)","subfeedHash":"\#(String(repeating: "ab", count: 20))""#
      for (path, field, place) in [
        ("appendMessages", #""messages":[{"a":1},{"a":[9007199254740993]}]"#, "$.messages[1].a[0]"),
        ("appendMessages", #""messages":[{}],"metaData":{"a":1e-400}"#, "$.metaData.a"),
        ("submitMessage", #""message":{"a b":9223372036854775808}"#, #"$.message["a b"]"#),
      ] {
        let answer = try await service.post("/feed/\(path)", "{\(key),\(field)}")
        #expect(answer.status == 400)
        #expect(answer.body.contains(" at \(place) ") && answer.body.contains("as a string"), "\(answer.body)")
      }
      #expect(await service.node.appended.isEmpty)
      let whole = #""messages":[{"a":9007199254740992,"b":1.50}]"#
      #expect(try await service.post("/feed/appendMessages", "{\(key),\(whole)}").status == 200)
      #expect(await service.node.appended.map { JSONValue.object($0).compact } == [#"{"a":9007199254740992,"b":1.50}"#])
    }
  }
}

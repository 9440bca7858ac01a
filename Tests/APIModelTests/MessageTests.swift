import APIModel
import Primitives
import TestSupport
import Testing

@Suite struct MessageTests {
  private let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"

  @Test func aFieldMarkedOptionalMayBeAbsentNullOrPresent() throws {
    for node in ["", #","fromNode":null"#, #","fromNode":"\#(String(repeating: "ab", count: 32))""#] {
      let body = #"{"fileKey":{"sha1":"\#(hash)","manifestSha1":null}\#(node),"extra":1}"#
      let request = try LoadRequest(try JSONFields(body: Array(body.utf8)))
      #expect(request.key.hash.hex == hash)
      #expect(request.key.manifest == nil)
      #expect((request.node == nil) == !node.contains("ab"))
    }
  }

  @Test(arguments: [("fromChannel", "x"), ("channelName", "x")])
  func bothClientsNameTheChannel(field: String, name: String) throws {
    let body = #"{"fileKey":{"sha1":"\#(hash)"},"\#(field)":"\#(name)"}"#
    #expect(try LoadRequest(try JSONFields(body: Array(body.utf8))).channel == name)
  }

  @Test(arguments: [
    "", "[]", "{}", #"{"fileKey":1}"#, #"{"fileKey":{"sha1":"12"}}"#, #"{"fileKey":{"sha1":null}}"#,
    #"{"fileKey":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","chunkOf":{"fileKey":{},"startByte":0,"endByte":1}}}"#,
    #"{"fileKey":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"},"fromNode":7}"#,
  ])
  func wrongBodiesAreNamed(body: String) {
    #expect {
      _ = try LoadRequest(try JSONFields(body: Array(body.utf8)))
    } throws: { error in
      (error as? KacheryError)?.code == .badRequest && (error as? KacheryError)?.message.hasSuffix(".") == true
    }
  }

  /// Positions beyond the largest file, and parts larger than any client cuts.
  @Test(arguments: [(0, "1000000001"), (0, "9223372036854775807"), (5, "4"), (0, "18446744073709551615"), (0, "1e300")])
  func aPartThatCannotBeIsRefused(start: Int, end: String) {
    let chunk = #"{"fileKey":{"sha1":"\#(hash)"},"startByte":\#(start),"endByte":\#(end)}"#
    let body = #"{"fileKey":{"sha1":"\#(hash)","chunkOf":\#(chunk)}}"#
    let error = #expect(throws: KacheryError.self) { _ = try LoadRequest(try JSONFields(body: Array(body.utf8))) }
    #expect(error?.code == .badRequest)
  }

  /// A request of few bytes must not turn into gigabytes of signed messages.
  @Test func whatIsAppendedInOneRequestIsBounded() throws {
    let key = #""feedId":"\#(String(repeating: "ab", count: 32))","subfeedHash":"\#(hash)""#
    func request(_ count: Int, metaData: Int) throws -> AppendRequest {
      let messages = [String](repeating: "{}", count: count).joined(separator: ",")
      let text = String(repeating: "x", count: metaData)
      let body = "{\(key),\"messages\":[\(messages)],\"metaData\":{\"a\":\"\(text)\"}}"
      return try AppendRequest(try JSONFields(body: Array(body.utf8)))
    }
    #expect(try request(AppendRequest.maximumMessages, metaData: 10).messages.count == AppendRequest.maximumMessages)
    for (count, metaData) in [(AppendRequest.maximumMessages + 1, 0), (70_000, 1_000)] {
      let error = #expect(throws: KacheryError.self) { _ = try request(count, metaData: metaData) }
      #expect(error?.code == .tooLarge)
    }
  }

  /// Whatever numbers and nesting a client sends, the request is either read or rejected.
  @Test(arguments: UInt64(0)..<20)
  func mutatedRequestsNeverTrap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let node = String(repeating: "ab", count: 32)
    let numbers = ["0", "-1", "1e18", "9223372036854775807", "18446744073709551616", "1e308", "-0.0", "0.5", "null"]
    for _ in 0..<200 {
      func number() -> String { numbers[random.number(0...numbers.count - 1)] }
      let chunk = #"{"fileKey":{"sha1":"\#(hash)"},"startByte":\#(number()),"endByte":\#(number())}"#
      let watch = #"{"feedId":"\#(node)","subfeedHash":"\#(hash)","position":\#(number())}"#
      let body = #"""
        {"fileKey":{"sha1":"\#(hash)","chunkOf":\#(chunk)},"files":[{"sha1":"\#(hash)"}],"startByte":\#(number()),
        "endByte":\#(number()),"timeoutMsec":\#(number()),"waitMsec":\#(number()),"maxNumMessages":\#(number()),
        "subfeedWatches":{"a":\#(watch)},"localFilePath":"/x","size":\#(number()),"mtime":\#(number()),
        "feedId":"\#(node)","subfeedHash":"\#(hash)","message":{},"messages":[{}]}
        """#
      let bytes = random.chance(30) ? random.mutated(Array(body.utf8)) : Array(body.utf8)
      readAll(bytes, "seed \(seed)")
    }
  }

  @Test func requestsThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "api-request") { readAll(bytes, "\(name)") }
  }

  /// Reads the body as each of the requests; a request that is read must be within its limits.
  private func readAll(_ bytes: [UInt8], _ name: Comment) {
    guard let fields = try? JSONFields(body: bytes) else { return }
    if let key = (try? LoadRequest(fields))?.key, let range = key.chunkOf?.range {
      #expect(range.count <= Limits.maximumPartSize && range.end <= Limits.maximumFileSize, name)
    }
    _ = (try? ReadRequest(fields), try? BatchLoadRequest(fields), try? LinkRequest(fields))
    if let find = try? FindFileRequest(fields) { #expect(find.timeout <= FindFileRequest.longestTimeout, name) }
    if let watch = try? WatchRequest(fields) { #expect(watch.wait <= WatchRequest.longestWait, name) }
    if let submit = try? SubmitRequest(fields) { #expect(submit.timeout <= SubmitRequest.longestTimeout, name) }
    _ = try? AppendRequest(fields)
  }

  @Test func keysSurviveTheWay() throws {
    let parent = try #require(ContentHash(hex: hash))
    let range = try #require(ByteRange(start: 5, end: 9))
    let key = FileKey(
      hash: parent, manifest: parent, chunkOf: ChunkLocation(parent: parent, parentManifest: parent, range: range))
    #expect(try FileKey(json: key.json) == key)
  }

  @Test func framesCutAnywhereGiveTheSameMessages() throws {
    let messages: [JSONValue] = [["a": "é😀"], [1, 2, 3], "x", [:]]
    let bytes = messages.flatMap { MessageStream.frame($0) }
    for cut in 1...bytes.count {
      var decoder = MessageStreamDecoder()
      var read: [JSONValue] = []
      for start in stride(from: 0, to: bytes.count, by: cut) {
        read += try decoder.receive(bytes[start..<min(start + cut, bytes.count)])
      }
      #expect(read == messages)
      #expect(decoder.isBetweenMessages)
    }
  }

  @Test(arguments: ["x", "12", "-1#{}", "2#{", "99999999999#", "3#[1", "5#[1] x"])
  func brokenStreamsAreRefusedOrWaitedFor(text: String) {
    var decoder = MessageStreamDecoder()
    let messages = try? decoder.receive(Array(text.utf8))
    #expect(messages == nil || (messages?.isEmpty == true && !decoder.isBetweenMessages))
  }

  @Test func aGistFollowsItsLatestRevision() {
    let pinned: ByteString =
      "https://gist.githubusercontent.com/user/id/raw/0c1a9671b37ca117f7c0d4f2e6057a9a8eeb75b2/channel.yaml"
    let latest: ByteString = "https://gist.githubusercontent.com/user/id/raw/channel.yaml"
    #expect(JoinedChannel.followingLatest(pinned) == latest)
    #expect(JoinedChannel.followingLatest(latest) == latest)
    #expect(JoinedChannel.followingLatest("https://example.org/a") == "https://example.org/a")
  }
}

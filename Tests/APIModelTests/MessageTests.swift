import APIModel
import Primitives
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
    let pinned = "https://gist.githubusercontent.com/user/id/raw/0c1a9671b37ca117f7c0d4f2e6057a9a8eeb75b2/channel.yaml"
    let latest = "https://gist.githubusercontent.com/user/id/raw/channel.yaml"
    #expect(JoinedChannel.followingLatest(pinned) == latest)
    #expect(JoinedChannel.followingLatest(latest) == latest)
    #expect(JoinedChannel.followingLatest("https://example.org/a") == "https://example.org/a")
  }
}

import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Which nodes may load from which, with real daemons.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MembershipTests {
  private let folder: TemporaryFolder
  private let bootstrap: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    bootstrap = try RunningDaemon(in: folder.path("bootstrap"), ["--isbootstrap", "--port", "0"])
  }

  private func node(_ name: String, _ channels: [String]) throws -> RunningDaemon {
    try RunningDaemon(
      in: folder.path(name),
      ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)"] + channels.flatMap { ["--channel", $0] })
  }

  private func storeText(on daemon: RunningDaemon) throws -> FileKey {
    let path = folder.path("text")
    try Data("some text".utf8).write(to: URL(filePath: path))
    return FileKey(hash: try daemon.store(path).hash)
  }

  private func writeDocument(_ members: [NodeID]) throws -> String {
    let entries = members.map { "  - nodeId: \($0)\n    nodeLabel: somebody\n" }.joined()
    let path = folder.path("channel.yaml")
    let document = """
      channelLabel: our lab
      bootstrapAddresses:
        - hostName: 127.0.0.1
          port: \(bootstrap.linkPort)
      authorizedNodes:
      \(entries)
      """
    try Data(document.utf8).write(to: URL(filePath: path))
    return path
  }

  @Test func aNodeOnNoCommonChannelGetsNothing() throws {
    let a = try node("a", ["lab"])
    let stranger = try node("stranger", ["elsewhere"])
    try a.waitForLinks(1)
    try stranger.waitForLinks(1)
    let key = try storeText(on: a)
    #expect { try stranger.load(key) } throws: { ($0 as? KacheryError)?.code == .noMemberOnline }
    #expect(try stranger.found(key).isEmpty)
  }

  @Test func joiningAChannelTakesEffectImmediately() throws {
    let a = try node("a", ["lab"])
    let late = try node("late", [])
    try a.waitForLinks(1)
    try late.waitForLinks(1)
    let key = try storeText(on: a)
    #expect {
      try late.load(key)
    } throws: {
      ($0 as? KacheryError)?.message.contains("joined no channel") == true
    }
    let value = JoinedChannel.value(of: [JoinedChannel(address: "lab")])
    #expect(try late.post("/mutable/set", ["key": "_joined_channels_config", "value": value])["success"] == true)
    _ = try late.load(key)
    let kept = try late.post("/mutable/get", ["key": "_joined_channels_config"])["value"]
    #expect(JoinedChannel.list(from: kept) == [JoinedChannel(address: "lab")])
  }

  /// A channel with a document: the members that it lists share files; other nodes learn that they are not listed.
  @Test func aDocumentDeterminesTheMembers() throws {
    let (a, b, other) = (try node("a", []), try node("b", []), try node("other", []))
    let document = try writeDocument([try a.nodeID, try b.nodeID])
    for daemon in [a, b, other] {
      let value = JoinedChannel.value(of: [JoinedChannel(address: ByteString(document))])
      _ = try daemon.post("/mutable/set", ["key": "_joined_channels_config", "value": value])
    }
    let key = try storeText(on: a)
    try a.waitForLinks(2)
    try b.waitForLinks(2)
    _ = try b.load(key)
    #expect {
      try other.load(key)
    } throws: {
      ($0 as? KacheryError)?.message.contains("does not list this node") == true
    }
  }
}

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

  /// A member that is removed from the document loses its access as soon as the others have read it, keeps what it has,
  /// and sees who refuses it.
  @Test func aRemovedMemberLosesItsAccess() throws {
    let (a, b) = (try node("a", []), try node("b", []))
    let document = try writeDocument([try a.nodeID, try b.nodeID])
    for daemon in [a, b] {
      let joined = try folder.call("kachery", ["channel", "join", document], in: daemon.environment)
      #expect(joined.errors.contains("lists this node and 1 other."))
    }
    let before = try storeText(on: a)
    try a.waitForLinks(2)
    try b.waitForLinks(2)
    _ = try b.load(before)
    let list = try folder.call("kachery", ["channel", "list"], in: b.environment).output
    let server = try a.nodeID.hex
    #expect(list.contains("list  listed") && list.contains(server) && list.contains("linked"), "\(list)")

    _ = try writeDocument([try a.nodeID])
    let reloaded = try folder.call("kachery", ["channel", "reload"], in: a.environment).output
    #expect(reloaded.contains("removed: somebody (\(try b.nodeID))"), "\(reloaded)")
    let path = folder.path("later")
    try Data("later".utf8).write(to: URL(filePath: path))
    let later = FileKey(hash: try a.store(path).hash)
    #expect {
      try b.load(later)
    } throws: {
      ($0 as? KacheryError)?.code == .refusedByPeer
    }
    let refused = try folder.call("kachery", ["channel", "list"], in: b.environment).output
    #expect(refused.contains("refuses: this node is not in its list"), "\(refused)")
    // What it has loaded stays.
    _ = try b.load(before)
    try folder.call("kachery", ["channel", "reload"], in: b.environment)
    #expect(try folder.call("kachery", ["channel", "list"], in: b.environment).output.contains("not listed"))
  }

  /// A wrong address is told at once; an address whose document cannot be read now can be joined all the same.
  @Test func anAddressIsCheckedBeforeItIsJoined() throws {
    let a = try node("a", [])
    // The daemon's own API is the web server: it knows one address, and answers there with something else.
    let server = "http://127.0.0.1:\(a.apiPort)"
    let good = try writeDocument([NodeID.filled(with: 0xab)])
    let nothing = "http://127.0.0.1:1/channel.yaml"
    for (address, reason) in [
      ("\(server)/none.yaml", "status 404"), ("\(server)/probe", "authorizedNodes"),
      (nothing, "127.0.0.1"), (folder.path("none.yaml"), "none.yaml"),
    ] {
      let refused = try run(
        "kachery", ["channel", "join", address], in: folder.path, environment: a.environment)
      #expect(refused.code != 0 && refused.errors.contains("was not joined"), "\(refused)")
      #expect(refused.errors.contains(reason) && refused.errors.contains("--force"), "\(refused)")
    }
    #expect(try folder.call("kachery-p2p-get-channels", [], in: a.environment).output.isEmpty)
    let joined = try folder.call("kachery", ["channel", "join", good], in: a.environment)
    #expect(joined.errors.contains("nodeId: \(try a.nodeID)"), "\(joined)")
    let forced = try folder.call("kachery", ["channel", "join", "--force", nothing], in: a.environment)
    #expect(forced.errors.contains("cannot be read now"), "\(forced)")
    let published = try folder.call("kachery-p2p-join-channel", ["\(nothing)?2"], in: a.environment)
    #expect(published.output == "Joined channel\n" && published.errors.contains("cannot be read now"))
    let list = try folder.call("kachery", ["channel", "list"], in: a.environment)
    #expect(list.output.contains("not listed") && list.output.contains("never"), "\(list)")
    let status = try folder.call("kachery", ["daemon", "status"], in: a.environment).output
    #expect(status.contains("this node: not listed"), "\(status)")
  }
}

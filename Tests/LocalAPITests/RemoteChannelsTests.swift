import APIModel
import Primitives
import Testing

@testable import LocalAPI

/// `RemoteChannels`: a client on another machine cannot have this node fetch from where only this node may go.
@Suite struct RemoteChannelsTests {
  @Test(arguments: [
    "lab", "lab:2", "https://example.org/channel.yaml", "http://example.org:8080/x", "https://gist.example.com",
    "https://8.8.8.8/x", "https://[2606:4700::1111]:443/x", "https://example.org",
  ])
  func publicPlacesAndNamesMayBeJoined(address: String) { #expect(RemoteChannels.mayJoin(address)) }

  @Test(arguments: [
    "/etc/passwd", "file:///etc/passwd", "ftp://example.org/x", "HTTPS://example.org/x", "http://localhost/x",
    "http://127.0.0.1:20431/stats", "http://127.1/x", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/",
    "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/",
    "http://0.0.0.0/", "http://router/", "http://printer.local/", "http://metadata.internal/", "http://a.localhost/",
    "http://user@127.0.0.1/", "http://example.org@127.0.0.1/", "http://127.0.0.1#.example.org/",
    "http://127.0.0.1\\.example.org/", "http://127.0.0.1%2f.example.org/", "http:///x", "http://./", "http://",
    "http://exam ple.org/", "http://localhost./", "http://127.0.0.1./",
  ])
  func whatOnlyThisMachineReachesMayNot(address: String) { #expect(!RemoteChannels.mayJoin(address)) }

  /// A client sends the whole list to change one entry.
  @Test func channelsOfTheOwnerMayStay() throws {
    let own = JoinedChannel(address: "/lab/channel.yaml")
    let list = [own, JoinedChannel(address: "lab")]
    #expect(try RemoteChannels.marked(list, joined: [own]) == list)
    #expect(throws: KacheryError.self) { _ = try RemoteChannels.marked([own], joined: []) }
  }

  /// A client cannot remove the mark by sending the list without it.
  @Test func documentsThatOthersJoinAreMarked() throws {
    let joined = JoinedChannel(address: "https://example.org/channel.yaml")
    let marked = try RemoteChannels.marked([joined], joined: [])
    #expect(marked.map(\.isJoinedRemotely) == [true])
    #expect(JoinedChannel.list(from: JoinedChannel.value(of: marked)) == marked)
    #expect(try RemoteChannels.marked([joined], joined: marked) == marked)
    // Nor does it mark what the owner has joined.
    #expect(try RemoteChannels.marked(marked, joined: [joined]) == [joined])
  }

  /// The node would dial them.
  @Test func bootstrapNodesOfOthersAreIgnored() throws {
    let address = try #require(Address(bootstrap: "boot.example.org:14507"))
    var named = JoinedChannel(address: "lab")
    named.bootstraps = [address]
    #expect(JoinedChannel.list(from: JoinedChannel.value(of: [named])) == [named])
    #expect(try RemoteChannels.marked([named], joined: []).map(\.bootstraps) == [[]])
    #expect(try RemoteChannels.marked([JoinedChannel(address: "lab")], joined: [named]) == [named])
    named.bootstraps = Array(repeating: address, count: 99)
    #expect(named.bootstraps.count == JoinedChannel.maximumBootstraps)
  }
}

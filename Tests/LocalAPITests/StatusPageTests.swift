import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

@testable import LocalAPI

@Suite struct StatusPageTests {
  private static let node = NodeID.filled(with: 0xab)
  private static let hostile = "<b>\"x\"</b>&"

  private func page(
    _ peers: [NodeStatus.Peer], _ channels: [JoinedChannel] = [], showsChannels: Bool = true
  ) -> String {
    let probe = ProbeReply(node: Self.node, isBootstrap: false, joinedChannels: channels, storageDirectory: "/data")
    var status = NodeStatus(label: "lab", listening: "port 1", uptime: 3_700, peers: peers)
    if !channels.isEmpty {
      status.gateway = Endpoint("127.0.0.1:8080").map { endpoint in
        let names = channels.map { GatewayState.Channel(name: $0.address.text, isServed: true) }
        return GatewayState(endpoint: endpoint, channels: names)
      }
    }
    let states = channels.map { ChannelState($0, isByName: true) }
    return StatusPage(
      probe: probe, status: status, channelStates: states, metrics: [("a", 1)], showsChannels: showsChannels
    ).html
  }

  private func path(_ kind: String, isInUse: Bool, reason: String) -> PeerPath {
    PeerPath(kind: kind, address: "10.0.0.1:1", dialedBy: "thisNode", isInUse: isInUse, reason: reason)
  }

  @Test func channelsAreShownToThoseWhoMayKnowThem() {
    let channels = [JoinedChannel(address: "secret-lab")]
    let full = page([], channels)
    #expect(full.contains(" serves files of 1 channel<br>secret-lab</td>"))
    #expect(full.components(separatedBy: "secret-lab").count == 3, "in the list of channels as well")
    let withheld = page([], channels, showsChannels: false)
    #expect(
      !withheld.contains("secret-lab") && withheld.contains("http://127.0.0.1:8080")
        && withheld.contains("with the full token"))
  }

  @Test func aChannelsMembersAndProblemsAreShown() {
    var state = ChannelState(JoinedChannel(address: "https://example.org/<b>"), isByName: false)
    state.hasDocument = true
    state.lastReadAge = 130
    state.problem = Self.hostile
    (state.memberCount, state.onlineCount) = (7, 1)
    state.members = [
      ChannelState.Member(
        node: Self.node, label: "\(Self.hostile)mouse", version: "kachery 9", rights: [], isOnline: true,
        isLinked: true, refuses: false)
    ]
    let html = ChannelTable(channels: [state]).html
    for part in ["<td>list</td>", "not listed", "2 min ago", "mouse kachery 9", ">7</td>", "<td>1<br>"] {
      #expect(html.contains(part), "\(part)")
    }
    #expect(!html.contains("<b>"))
  }

  @Test func aNodeWithoutPeersSaysSo() {
    #expect(page([]).contains("<p class=\"none\">None at the moment.</p>"))
    #expect(page([]).contains("1 h 1 min") && !page([]).contains("Gateway"))
  }

  @Test func eachPathHasARow() {
    var used = path("direct", isInUse: true, reason: "better kind of path")
    (used.roundTrip, used.bytesReceived, used.receivingRate) = (.milliseconds(12), 1_200_000_000, 34_000_000)
    (used.age, used.lanes) = (7_200, 4)
    var other = path("relayed", isInUse: false, reason: "worse kind of path")
    other.relay = PeerPath.Relay(node: Self.node, label: "hub")
    let peer = NodeStatus.Peer(
      node: Self.node, label: "mouse", address: "10.0.0.1:1", isBootstrap: false, version: "kachery 9",
      paths: [used, other])
    let html = page([peer])
    for part in [
      "<td rowspan=\"2\">mouse<br>", "kachery 9", "yes: better kind of path", "no: worse kind of path", "12.0 ms",
      "1.2 GB<br><small>34.0 MB/s</small>", "2 h 0 min", "dialed by this node, 4 lanes", "relayed through hub",
    ] {
      #expect(html.contains(part), "\(part)")
    }
  }

  @Test func thirtyPeersHaveThirtyRows() {
    let peers = (0..<30).map { number in
      NodeStatus.Peer(
        node: NodeID.filled(with: UInt8(number)), label: "node \(number)", address: "10.0.0.1:1", isBootstrap: false,
        paths: [path("direct", isInUse: true, reason: "the only one")])
    }
    #expect(page(peers).components(separatedBy: "<td rowspan=\"1\">").count == 31)
  }

  /// Everything that another node has said, or may have.
  @Test func nothingThatOthersSayBecomesMarkup() {
    var path = path("direct", isInUse: true, reason: Self.hostile)
    path.address = Self.hostile
    var relayed = self.path("relayed", isInUse: false, reason: Self.hostile)
    relayed.relay = PeerPath.Relay(node: Self.node, label: Self.hostile)
    let peer = NodeStatus.Peer(
      node: Self.node, label: Self.hostile, address: Self.hostile, isBootstrap: true, version: Self.hostile,
      paths: [path, relayed])
    var bare = peer
    bare.paths = []
    #expect(!page([peer, bare]).contains("<b>"))
  }
}

import APIModel
import LocalAPI
import NodeCore
import Primitives

extension Node {
  var status: NodeStatus {
    let peers = driver.read(\.activePeers)
    let labels = Dictionary(peers.map { ($0.node, $0.label) }) { first, _ in first }
    let now = driver.now
    var status = NodeStatus(
      label: configuration.label, listening: listening.map { "port \($0.port)" }.joined(separator: ", "),
      uptime: Int((loop.now - startedAt).components.seconds),
      peers: peers.map { peer in
        NodeStatus.Peer(
          node: peer.node, label: peer.label, address: peer.remote?.description ?? "", isBootstrap: peer.isBootstrap,
          clockOffset: peer.clockOffset, badAnswers: peer.badAnswers, version: peer.software,
          paths: peer.paths.map { describe($0, labels) })
      })
    status.notices = driver.read { $0.currentNotices(at: now) }.map { notice in
      NodeStatus.Notice(
        kind: notice.kind.rawValue, node: notice.node, summary: notice.summary, advice: notice.advice)
    }
    status.introduces = driver.read(\.introducesText)
    status.gateway = gatewayState
    return status
  }

  /// The gateway; nil if there is none.
  var gatewayState: GatewayState? {
    configuration.gateway.map { endpoint in
      GatewayState(
        endpoint: endpoint,
        channels: configuration.gatewayChannels.map {
          GatewayState.Channel(name: $0, isServed: !channels.memberships(among: [$0]).isEmpty)
        })
    }
  }

  /// - Parameter labels: those of the linked nodes, among them the relays.
  private func describe(_ path: PathSummary, _ labels: [NodeID: String]) -> PeerPath {
    var described = PeerPath(
      kind: path.kind.rawValue, address: path.remote?.description ?? "", dialedBy: path.dialer.rawValue,
      isInUse: path.isUsed, reason: path.reason.text)
    if case .relay(let relay) = path.remote {
      described.relay = PeerPath.Relay(node: relay, label: labels[relay] ?? "")
    }
    described.age = Int((loop.now - path.openedAt).components.seconds)
    guard let measured = links.measured(path.link) else { return described }
    described.roundTrip = measured.roundTrip
    described.bytesReceived = measured.traffic.received
    described.bytesSent = measured.traffic.sent
    described.receivingRate = measured.traffic.receivingRate
    described.sendingRate = measured.traffic.sendingRate
    described.lanes = measured.lanes
    return described
  }
}

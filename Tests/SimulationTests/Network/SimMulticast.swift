import Discovery
import NodeCore
import Primitives
import TestSupport

/// A local network that carries multicast: every datagram to the group reaches every other node, unless it is lost, and
/// strangers, who hear and send what they like.
final class SimMulticast {
  /// Datagrams lost on the way to each receiver, in a hundred.
  var loss = 0
  /// Nodes of whose network this is not part, or whose owners do not want it.
  var absent: Set<NodeID> = []
  /// Called with every datagram to the group.
  var onAnnouncement: ([UInt8], SimNode) -> Void = { _, _ in }
  private(set) var announcements = 0
  private(set) var answers = 0
  /// The longest answer, and the shortest announcement.
  private(set) var answerBytes = 0
  private(set) var announcementBytes = Int.max
  private unowned let network: SimNetwork

  init(_ network: SimNetwork) { self.network = network }

  func place(of node: SimNode) -> LocalPlace? {
    guard !absent.contains(node.id), let address = IPAddress(node.endpoint.host),
      let lan = IPNetwork(of: address, length: 24)
    else { return nil }
    return LocalPlace(host: node.endpoint.host, address: address, network: lan, zone: nil)
  }

  func perform(_ effect: LocalEffect, of sender: SimNode) {
    if absent.contains(sender.id) { network.complain("\(sender.name) sends to a group that it has not joined") }
    switch effect {
    case .announce(let datagram):
      announcements += 1
      announcementBytes = min(announcementBytes, datagram.count)
      onAnnouncement(datagram, sender)
      // Its own datagrams arrive as well.
      for node in network.nodes { deliver(datagram, from: sender.endpoint.host, to: node) }
    case .answer(let datagram, let source):
      answers += 1
      answerBytes = max(answerBytes, datagram.count)
      if let node = network.nodes.first(where: { $0.endpoint.host == source.socket.host }) {
        deliver(datagram, from: sender.endpoint.host, to: node)
      }
    }
  }

  /// Delivers a datagram whose sender's address is `host`, or claimed to be.
  func deliver(_ datagram: [UInt8], from host: String, to node: SimNode) {
    guard !network.random.chance(loss) else { return }
    network.clock.after(.microseconds(network.random.number(50...2_000))) { [weak self, weak node] in
      guard let self, let node, let place = self.place(of: node),
        let socket = Endpoint(host: host, port: 40_000), let source = LocalSource(socket, at: place)
      else { return }
      node.input { core, now in core.received(datagram, from: source, at: now) }
    }
  }
}

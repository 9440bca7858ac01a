import EventLoop
import Links
import NodeCore
import Primitives

/// The links of each node: which one is preferred, and what is measured while that matters. Bound to the loop.
final class NodePaths {
  private static let period: Duration = .seconds(1)

  /// Called for each link once its round trip is known, and then every second while its node has several links, or while
  /// it leads through a relay and is not idle.
  var onMeasured: ((LinkID, LinkMeasurement) -> Void)?

  private let loop: EventLoop
  private var nodes: [NodeID: NodeLanes] = [:]
  /// The nodes by the first of their links, which may have ended.
  private var accounts: [LinkID: NodeID] = [:]
  private var connections: [LinkID: LinkConnection] = [:]
  /// The relayed links that were not idle when they were last reported.
  private var busy: Set<LinkID> = []
  private var timer: Timer?

  init(loop: EventLoop) { self.loop = loop }

  /// The lanes to the node at the other end of this link; nil once the link has ended.
  func lanes(_ id: LinkID) -> NodeLanes? { connections[id].flatMap { nodes[$0.link.peer] } }

  /// The link under which everything that the node at the other end requests is counted.
  func account(_ id: LinkID) -> LinkID { lanes(id)?.account ?? id }

  /// The node of a link, or of the link under which a node is counted; nil if neither exists.
  func node(_ id: LinkID) -> NodeID? { connections[id]?.link.peer ?? accounts[id] }

  /// The link that carries messages to a node, by one of its links or by the one under which it is counted.
  func messageLink(_ id: LinkID) -> LinkID {
    connections[id] == nil ? accounts[id].flatMap { nodes[$0]?.messageLink } ?? id : id
  }

  func add(_ connection: LinkConnection) {
    let lanes = nodes[connection.link.peer] ?? NodeLanes(account: connection.id)
    nodes[connection.link.peer] = lanes
    accounts[lanes.account] = connection.link.peer
    lanes.add(connection.id, connection.lanes)
    connections[connection.id] = connection
    connection.link.onMeasured = { [weak self, weak connection] in connection.map { self?.report($0) } }
    guard timer == nil, lanes.ids.count > 1 || connection.relay != nil else { return }
    timer = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.measure() }
  }

  func remove(_ connection: LinkConnection) {
    connections[connection.id] = nil
    busy.remove(connection.id)
    guard let lanes = nodes[connection.link.peer] else { return }
    lanes.remove(connection.id)
    guard lanes.ids.isEmpty else { return }
    nodes[connection.link.peer] = nil
    accounts[lanes.account] = nil
  }

  func prefer(_ id: LinkID) { lanes(id)?.prefer(id) }

  func abandon(_ id: LinkID) { lanes(id)?.abandon(id) }

  func stop() {
    timer?.cancel()
    timer = nil
  }

  private func measure() {
    let several = Set(nodes.values.filter { $0.ids.count > 1 }.flatMap(\.ids))
    let relayed = connections.values.filter { $0.relay != nil }
    let working = relayed.filter { !$0.isIdle || busy.contains($0.id) }.map(\.id)
    for id in several.union(working).sorted() {
      if let connection = connections[id] { report(connection) }
    }
    if several.isEmpty, relayed.isEmpty { stop() }
  }

  private func report(_ connection: LinkConnection) {
    let (isIdle, traffic) = (connection.isIdle, connection.traffic)
    if connection.relay != nil, !isIdle { busy.insert(connection.id) } else { busy.remove(connection.id) }
    onMeasured?(
      connection.id,
      LinkMeasurement(
        roundTrip: connection.link.recentRoundTripTime, isIdle: isIdle, carried: traffic.received + traffic.sent))
  }
}

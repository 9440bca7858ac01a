import EventLoop
import Links
import Primitives
import Wire

/// Opens the lanes of one link: dials its node, or asks that node to dial when it cannot be dialed. The lanes of a relayed
/// link lead through its relay, and either node opens them. Bound to the loop.
final class LaneDialer {
  /// The timeout for connecting.
  private static let dialTime: Duration = .seconds(5)
  /// How long after a failed dial until the node is dialed again; meanwhile it is asked to dial.
  private static let retryTime: Duration = .seconds(60)

  /// Whether this node may open another lane.
  private let mayOpen: () -> Bool
  private unowned let connection: LinkConnection
  private let host: LinkHost
  private let relayed: RelayedLanes
  private let loop: EventLoop
  /// Closures that give up the running attempts.
  private var attempts: [UInt64: () -> Void] = [:]
  private var lastAttempt: UInt64 = 0
  private var failedAt: Instant?

  /// - Parameter connection: owns the dialer.
  init(
    for connection: LinkConnection, host: LinkHost, relayed: RelayedLanes, loop: EventLoop,
    mayOpen: @escaping () -> Bool
  ) {
    self.relayed = relayed
    self.connection = connection
    self.host = host
    self.loop = loop
    self.mayOpen = mayOpen
  }

  /// Running attempts.
  var count: Int { attempts.count }

  /// Opens this number of lanes for transfers of this node.
  func open(_ count: Int) {
    guard connection.laneAddresses != nil, count > 0, connection.link.passage.allowsLanes else {
      return connection.lanes.failed(count)
    }
    let isResting = failedAt.map { loop.now - $0 < Self.retryTime } ?? false
    if isResting { return connection.relay == nil ? ask(count) : connection.lanes.failed(count) }
    let possible = min(count, room)
    connection.lanes.failed(count - possible)
    for _ in 0..<possible { connection.relay == nil ? dial(connection.dialableAddresses, orAsk: true) : join() }
  }

  /// Opens lanes for a peer that cannot dial this node: only to the address that this node chose itself for the link.
  func openForPeer(_ count: Int) {
    guard connection.link.isDialer, connection.relay == nil, connection.link.passage.allowsLanes else { return }
    for _ in 0..<min(count, room) { dial(connection.dialableAddresses, orAsk: false) }
  }

  /// How many more lanes the link may have.
  private var room: Int { max(0, LinkLanes.limit - connection.lanes.count - attempts.count) }

  /// Cancels all attempts.
  func close() {
    for cancel in attempts.values { cancel() }
    attempts = [:]
  }

  private func ask(_ count: Int) { connection.send(.lanesWanted(UInt8(clamping: count))) }

  private func dial(_ addresses: ArraySlice<Endpoint>, orAsk: Bool) {
    guard let endpoint = addresses.first, mayOpen() else {
      if addresses.isEmpty { failedAt = loop.now }
      return orAsk && addresses.isEmpty ? ask(1) : connection.lanes.failed(1)
    }
    let id = nextAttempt()
    // From any port: only one connection can lead from the listening port to an endpoint.
    let attempt = host.dial(to: endpoint, from: .anyPort, expected: connection.link.peer, timeout: Self.dialTime) {
      [weak self] result in
      guard let self, attempts.removeValue(forKey: id) != nil else { return (try? result.get())?.close() ?? () }
      switch result {
      case .failure: dial(addresses.dropFirst(), orAsk: orAsk)
      case .success(let lane): adopt(lane)
      }
    }
    attempts[id] = { attempt.cancel() }
  }

  /// Opens a lane through the relay. If there is none, the link itself goes on carrying everything.
  private func join() {
    guard mayOpen() else { return connection.lanes.failed(1) }
    let id = nextAttempt()
    attempts[id] = relayed.open(for: connection) { [weak self] result in
      guard let self, attempts.removeValue(forKey: id) != nil else { return (try? result.get())?.close() ?? () }
      switch result {
      case .failure:
        failedAt = loop.now
        connection.lanes.failed(1)
      case .success(let lane): adopt(lane)
      }
    }
  }

  private func nextAttempt() -> UInt64 {
    lastAttempt += 1
    return lastAttempt
  }

  /// Tells the node which link the lane belongs to.
  private func adopt(_ lane: Link) {
    let stream = lane.openStream()
    stream.write([StreamKind.lane.rawValue] + LaneRequest(linkWithBinding: connection.link.channelBinding).encoded)
    stream.finish()
    connection.adopt(lane: lane)
  }
}

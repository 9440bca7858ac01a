import EventLoop
import Links
import Primitives
import Wire

/// Opens the lanes of one link: dials its node, or asks that node to dial when it cannot be dialed. Bound to the loop.
final class LaneDialer {
  /// The timeout for connecting.
  private static let dialTime: Duration = .seconds(5)
  /// How long after a failed dial until the node is dialed again; meanwhile it is asked to dial.
  private static let retryTime: Duration = .seconds(60)
  /// Most addresses to try.
  private static let maximumAddresses = 4

  /// Whether this node may open another lane.
  private let mayOpen: () -> Bool
  private unowned let connection: LinkConnection
  private let host: LinkHost
  private let loop: EventLoop
  private var attempts: [UInt64: LinkAttempt] = [:]
  private var lastAttempt: UInt64 = 0
  private var failedAt: Instant?

  /// - Parameter connection: owns the dialer.
  init(for connection: LinkConnection, host: LinkHost, loop: EventLoop, mayOpen: @escaping () -> Bool) {
    self.connection = connection
    self.host = host
    self.loop = loop
    self.mayOpen = mayOpen
  }

  /// Running attempts.
  var count: Int { attempts.count }

  /// Opens this number of lanes for transfers of this node.
  func open(_ count: Int) {
    guard connection.laneAddresses != nil, count > 0, connection.link.passage != .webSocket else {
      return connection.lanes.failed(count)
    }
    if let failedAt, loop.now - failedAt < Self.retryTime { return ask(count) }
    let possible = min(count, room)
    connection.lanes.failed(count - possible)
    for _ in 0..<possible { dial(addresses, orAsk: true) }
  }

  /// Opens lanes for a peer that cannot dial this node: only to the address that this node chose itself for the link.
  func openForPeer(_ count: Int) {
    guard connection.link.isDialer, connection.link.passage != .webSocket else { return }
    for _ in 0..<min(count, room) { dial(addresses, orAsk: false) }
  }

  /// How many more lanes the link may have.
  private var room: Int { max(0, LinkLanes.limit - connection.lanes.count - attempts.count) }

  /// Cancels all attempts.
  func close() {
    for attempt in attempts.values { attempt.cancel() }
    attempts = [:]
  }

  private func ask(_ count: Int) { connection.send(.lanesWanted(UInt8(clamping: count))) }

  /// The addresses for dialing the node: the address that this node dialed before, or otherwise the node's ports at the
  /// address from which it connected, and then its own addresses.
  private var addresses: ArraySlice<Endpoint> {
    guard let remote = connection.link.remoteEndpoint else { return [] }
    if connection.link.isDialer { return [remote] }
    let named = connection.laneAddresses ?? []
    var found: [Endpoint] = []
    for endpoint in named.compactMap({ Endpoint(host: remote.host, port: $0.port) }) + named
    where !found.contains(endpoint) { found.append(endpoint) }
    return found.prefix(Self.maximumAddresses)
  }

  private func dial(_ addresses: ArraySlice<Endpoint>, orAsk: Bool) {
    guard let endpoint = addresses.first, mayOpen() else {
      if addresses.isEmpty { failedAt = loop.now }
      return orAsk && addresses.isEmpty ? ask(1) : connection.lanes.failed(1)
    }
    lastAttempt += 1
    let id = lastAttempt
    // From any port: only one connection can lead from the listening port to an endpoint.
    attempts[id] = host.dial(
      to: endpoint, from: .anyPort, expected: connection.link.peer, timeout: Self.dialTime
    ) { [weak self] result in
      guard let self, attempts.removeValue(forKey: id) != nil else { return (try? result.get())?.close() ?? () }
      switch result {
      case .failure: dial(addresses.dropFirst(), orAsk: orAsk)
      case .success(let lane):
        let stream = lane.openStream()
        stream.write([StreamKind.lane.rawValue] + LaneRequest(linkWithBinding: connection.link.channelBinding).encoded)
        stream.finish()
        connection.adopt(lane: lane)
      }
    }
  }
}

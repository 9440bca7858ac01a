package import Primitives
import Wire

/// How a host can be asked to listen and to dial.
package enum TransportKind: Hashable, Sendable {
  /// The host's main transport.
  case tcp
  /// Within a WebSocket.
  case webSocket
  /// Within a WebSocket, inside TLS with the server that accepts it.
  case secureWebSocket
  /// By datagrams.
  case quic
}

/// One way to reach other nodes: opens and accepts paths on which both ends prove their IDs. Bound to the loop.
///
/// A transport sets no limits and no deadlines for handshakes; `LinkHost` does, for all transports together.
protocol LinkTransport: AnyObject {
  /// Called for each path that another side has opened. The receiver starts or cancels the handshake.
  var onHandshake: ((any CarrierHandshake) -> Void)? { get set }

  /// Called for each connection that is to become half of a joined lane; without it, they are closed.
  var onHalf: ((any LaneHalf) -> Void)? { get set }

  /// Called with each datagram that begins like a probe; never by a transport without datagrams.
  var onProbe: ProbeHandler? { get set }

  /// Accepts paths on this address.
  ///
  /// - Returns: the address, with the port that the kernel chose if `port` is 0.
  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint
  /// Opens a path to `endpoint`. `done` is called once, on the loop, never before this returns and not after a cancel.
  ///
  /// - Parameters:
  ///   - source: the local port that the path leaves from, if the transport has ports.
  ///   - expected: the node that must answer; nil for any node that proves an ID.
  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial
  /// Opens a path together with the node at the other end, which does so at the same moment. `done` is called once, on the
  /// loop, never before this returns and not after a cancel. Another round with the same node ends.
  ///
  /// - Returns: nil if the transport cannot do this.
  func punch(
    _ round: PunchRound, own: NodeID, _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)?
  /// Opens a path that a relay joins to one of the node at the other end. `done` is called once, on the loop, never before
  /// this returns and not after a cancel.
  ///
  /// - Parameters:
  ///   - endpoint: where the relay listens.
  ///   - expected: the node that must be at the other end.
  ///   - timeout: until the relay has joined the two connections.
  /// - Returns: nil if the transport cannot do this.
  func join(
    _ preamble: JoinPreamble, at endpoint: Endpoint, expected: NodeID, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)?
  /// Sends a probe from where this transport listens, if it has datagrams and listens.
  func send(_ probe: ProbeDatagram)
  /// Opens further sockets for a round with this node, if it has datagrams. They close after some seconds.
  func openSockets(_ opening: SocketOpening, for peer: NodeID)
  /// Accepts and opens paths at the one with this port, as long as it has any, and closes the others.
  func keepSocket(_ port: UInt16, for peer: NodeID)
  /// Closes them. Idempotent.
  func closeSockets(for peer: NodeID)
  /// Opens later paths to this host, a numeric address, for small packets only: large ones get lost.
  func avoidLargePackets(to host: String)
  /// Stops accepting. Paths that are up stay. Idempotent.
  func close()
}

extension LinkTransport {
  var onHalf: ((any LaneHalf) -> Void)? {
    get { nil }
    set {}
  }

  var onProbe: ProbeHandler? {
    get { nil }
    set {}
  }

  // Only transports with datagrams have sockets for them.
  func send(_ probe: ProbeDatagram) {}
  func openSockets(_ opening: SocketOpening, for peer: NodeID) {}
  func keepSocket(_ port: UInt16, for peer: NodeID) {}
  func closeSockets(for peer: NodeID) {}

  func join(
    _ preamble: JoinPreamble, at endpoint: Endpoint, expected: NodeID, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)? { nil }

  func punch(
    _ round: PunchRound, own: NodeID, _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> (any PendingDial)? { nil }
}

/// Receives a datagram that begins like a probe, its sender, and the port of the further socket at which it has arrived;
/// nil for a socket that listens.
package typealias ProbeHandler = (_ bytes: [UInt8], _ sender: Endpoint, _ socket: UInt16?) -> Void

/// The local port that a path leaves from.
package enum DialSource: Sendable, Equatable {
  /// The port on which this node listens, if the system admits it: what the other end, and the routers between, see is
  /// then where this node can be reached. There can be only one such path to an endpoint.
  case listeningPort
  case anyPort
  /// The further socket with this port, which was kept.
  case socket(UInt16)
}

/// An attempt to open a path.
protocol PendingDial: AnyObject {
  /// Gives up; nothing is called afterwards. Idempotent.
  func cancel()
}

/// A path that is up and on which the two ends have yet to prove their IDs. Its owner calls `start` or `cancel`.
protocol CarrierHandshake: AnyObject {
  /// The address of the other end; nil if it has none.
  var remoteEndpoint: Endpoint? { get }
  /// Whether the path turned out to belong to something else under way, which has taken it.
  var isTaken: Bool { get }

  /// Starts the handshake. `done` is called once, on the loop, unless `cancel` is called first.
  ///
  /// Bytes that follow the handshake reach the carrier only after `done` has returned.
  func start(_ done: @escaping (Result<any StreamCarrier, KacheryError>) -> Void)
  /// Gives up and closes the path; has no effect on a handshake that is over. Idempotent.
  func cancel()
}

extension CarrierHandshake {
  var isTaken: Bool { false }
}

import Discovery
import EventLoop
import Links
import Primitives

extension PeerLinks {
  /// Finds out whether a node answers at this address, by a link of its own; within `LinkProbe.time`.
  ///
  /// - Parameter done: called once, on the loop, with the node and a round trip.
  func probe(
    _ address: Address, _ done: @escaping (Result<(peer: NodeID, roundTrip: Duration), KacheryError>) -> Void
  ) {
    let probe = LinkProbe(loop: loop, done)
    switch address {
    case .tcp(let endpoint): probe.start(host, endpoint, over: .tcp)
    case .webSocket(let endpoint): probe.start(host, endpoint, over: .webSocket)
    case .secureWebSocket(let endpoint): probe.start(host, endpoint, over: .secureWebSocket)
    case .quic, .relay:
      _ = loop.after(.zero) { done(.failure(KacheryError(.internalError, "This node cannot use that transport."))) }
    }
  }
}

import EventLoop
import Links
import Primitives

/// Finds out whether a node answers at an address: opens a link there, measures one round trip, and closes it. Bound to the
/// loop.
///
/// It lives until it has reported.
final class LinkProbe {
  /// How long the whole may take.
  static let time: Duration = .seconds(5)

  private let loop: EventLoop
  private var done: ((Result<(peer: NodeID, roundTrip: Duration), KacheryError>) -> Void)?
  private var attempt: LinkAttempt?
  private var link: Link?
  private var deadline: Timer?

  /// - Parameter done: called once, on the loop.
  init(loop: EventLoop, _ done: @escaping (Result<(peer: NodeID, roundTrip: Duration), KacheryError>) -> Void) {
    self.loop = loop
    self.done = done
  }

  func start(_ host: LinkHost, _ endpoint: Endpoint, over kind: TransportKind) {
    // The timer keeps the probe.
    deadline = loop.after(Self.time) { self.end(.failure(Self.late)) }
    // From any port: there can be only one connection from the listening port to an endpoint.
    attempt = host.dial(to: endpoint, over: kind, from: .anyPort, expected: nil, timeout: Self.time * 2) { result in
      switch result {
      case .failure(let error): self.end(.failure(error))
      case .success(let link): self.measure(link)
      }
    }
  }

  private func measure(_ link: Link) {
    guard done != nil else { return link.close() }
    self.link = link
    link.onClose = { self.end(.failure($0 ?? KacheryError(.disconnected, "The node closed the link."))) }
    link.onMeasured = {
      if let time = link.recentRoundTripTime { self.end(.success((link.peer, time))) }
    }
    link.measureRoundTrip()
  }

  private func end(_ result: Result<(peer: NodeID, roundTrip: Duration), KacheryError>) {
    guard let tell = done else { return }
    done = nil
    deadline?.cancel()
    attempt?.cancel()
    link?.onClose = nil
    link?.onMeasured = nil
    link?.close()
    (deadline, attempt, link) = (nil, nil, nil)
    tell(result)
  }

  private static var late: KacheryError {
    KacheryError(.timedOut, "It did not answer in time (\(time.components.seconds) s).")
  }
}

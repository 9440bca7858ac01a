import Diagnostics
import Discovery
import EventLoop
import Links
import NodeCore
import Primitives

/// The attempts to open links that the core has requested. Bound to the loop.
final class LinkDials {
  /// The timeout for connecting to one address.
  private static let time: Duration = .seconds(10)

  /// A link that this node has dialed.
  struct Opened {
    let dial: DialID
    let link: Link
    /// The node through which it leads; nil if it is direct.
    var relay: NodeID?
    /// The control stream, with its first bytes, if the other node opens it.
    var accepted: ControlStreams<DialID>.Accepted?
  }

  /// Called for each attempt that led to a link.
  var onOpened: (Opened) -> Void = { $0.link.close() }
  /// Called for each attempt that failed.
  var onFailed: (DialID, DialProblem) -> Void = { _, _ in }

  private let host: LinkHost
  private let relayed: RelayedLinks
  private let log: Log
  private var attempts: [DialID: LinkAttempt] = [:]
  /// Links that the other node has dialed as well, and on which it is the one to speak first.
  private let crossed: ControlStreams<DialID>

  init(host: LinkHost, relayed: RelayedLinks, loop: EventLoop, log: Log) {
    self.host = host
    self.relayed = relayed
    self.log = log
    crossed = ControlStreams(loop: loop)
  }

  /// Opens a link to this address. Either `onOpened` or `onFailed` is called, unless the attempt is cancelled.
  func dial(
    _ id: DialID, _ address: Address, _ expected: NodeID?, from source: DialSource? = nil
  ) {
    let source = source ?? Self.source(for: expected)
    let dialEndpoint: (Endpoint, TransportKind) -> LinkAttempt = { [host, log] endpoint, kind in
      log.debug("Dialing \(address)\(expected.map { " for node \($0.short)" } ?? "").")
      return host.dial(to: endpoint, over: kind, from: source, expected: expected, timeout: Self.time) {
        [weak self] in self?.dialed(id, address, $0)
      }
    }
    switch (address, expected) {
    case (.tcp(let endpoint), _): attempts[id] = dialEndpoint(endpoint, .tcp)
    case (.quic(let endpoint), _?): attempts[id] = dialEndpoint(endpoint, .quic)
    case (.webSocket(let endpoint), _): attempts[id] = dialEndpoint(endpoint, .webSocket)
    case (.secureWebSocket(let endpoint), _): attempts[id] = dialEndpoint(endpoint, .secureWebSocket)
    case (.relay(let relay), let target?):
      attempts[id] = relayed.dial(to: target, by: relay) { [weak self] in self?.dialed(id, address, $0, by: relay) }
    default: onFailed(id, DialProblem(address: address, reason: "This node cannot use that transport."))
    }
  }

  /// Bootstrap nodes and neighbors are dialed from the listening port, so that they see where this node can be reached.
  /// Members may be behind routers: what those remember of a dial that led to nothing would stand in the way of a round
  /// between the same two endpoints, for up to two minutes.
  private static func source(for expected: NodeID?) -> DialSource { expected == nil ? .listeningPort : .anyPort }

  private func dialed(_ id: DialID, _ address: Address, _ result: Result<Link, KacheryError>, by relay: NodeID? = nil) {
    attempts[id] = nil
    switch result {
    case .success(let link):
      crossed.add(
        link, as: id,
        ready: { [weak self] in
          self?.onOpened(Opened(dial: id, link: link, relay: relay, accepted: $0)) ?? link.close()
        },
        failed: { [weak self] in self?.failed(id, address, $0) })
    case .failure(let error): failed(id, address, error.message)
    }
  }

  private func failed(_ id: DialID, _ address: Address, _ reason: String) {
    log.debug("Dialing \(address) failed: \(reason)")
    onFailed(id, DialProblem(address: address, reason: reason))
  }

  /// Gives up an attempt. Idempotent.
  func cancel(_ id: DialID) {
    attempts.removeValue(forKey: id)?.cancel()
    crossed.cancel(id)
  }

  /// Gives up all attempts.
  func stop() {
    for id in crossed.keys.union(attempts.keys) { cancel(id) }
  }
}

import Diagnostics
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// Opens lanes of relayed links through their relays: asks for a token, or gets one for a lane that the other node wants,
/// and shows it to the relay on a further connection. Bound to the loop.
final class RelayedLanes {
  /// How long a request and everything that follows from it may take.
  private static let time: Duration = .seconds(10)
  /// Most lanes on their way, of this node and of others together.
  private static let most = 64

  /// Called for each lane that another node wants, before it is known whether it is one.
  var onLink: (Link) -> Void = { $0.close() }
  /// The connection with this ID; nil if it has ended.
  var connection: (LinkID) -> LinkConnection? = { _ in nil }

  private final class Opening {
    var asking: LaneAsking?
    var attempt: LinkAttempt?
    var deadline: Timer?

    func cancel() {
      deadline?.cancel()
      asking?.cancel()
      attempt?.cancel()
      (deadline, asking, attempt) = (nil, nil, nil)
    }
  }

  private let host: LinkHost
  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private var openings: [UInt64: Opening] = [:]
  private var lastOpening: UInt64 = 0

  init(host: LinkHost, driver: CoreDriver, loop: EventLoop, log: Log) {
    self.host = host
    self.driver = driver
    self.loop = loop
    self.log = log
  }

  /// Whether the relay at the other end of this link can be dialed once more, and another lane may open.
  private func admitsLane(by relay: LinkConnection) -> Bool {
    openings.count < Self.most && relay.link.passage != .webSocket && !relay.dialableAddresses.isEmpty
  }

  // MARK: The opener

  /// Opens a lane of this relayed link. `done` is called once, unless it is cancelled first, and never before this returns.
  ///
  /// - Returns: gives up the attempt; idempotent.
  func open(
    for connection: LinkConnection, _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> () -> Void {
    let peer = connection.link.peer
    guard let relay = connection.relay, let route = driver.read({ $0.relayRoute(to: peer, by: relay) }),
      let way = self.connection(route.link), admitsLane(by: way)
    else {
      let timer = loop.after(.zero) { done(.failure(KacheryError(.disconnected, "The relay cannot be dialed."))) }
      return { timer.cancel() }
    }
    let (id, opening, finish) = add(done)
    opening.asking = LaneAsking(for: peer, over: route.topic) {
      way.link.openStream(window: $0)
    } onAnswer: { [weak self, weak opening, weak way] answer in
      guard let self, let opening, let way else { return }
      switch answer {
      case .token(let token)?:
        join(JoinPreamble(token, as: .opener), at: way.dialableAddresses, peer, opening, finish)
      case .refused(let status)?:
        let reason = status.problem?.message ?? "The relay did not open the lane."
        finish(.failure(KacheryError(.disconnected, reason)))
      case nil: finish(.failure(KacheryError(.disconnected, "The relay did not answer.")))
      }
    }
    return { [weak self] in self?.remove(id) }
  }

  // MARK: The target

  /// Whether this node wants the lane that the request names, by the relay at the other end of this link.
  func wants(_ request: RelayedRequest, by relay: LinkID) -> Bool {
    guard let way = connection(relay), admitsLane(by: way) else { return false }
    return driver.read { $0.accepts(laneFrom: request.opener, over: request.topic, by: relay) }
  }

  /// The relay has sent the token of a lane that this node wants.
  func accept(_ token: LaneToken, from opener: NodeID, by relay: LinkID) {
    guard let way = connection(relay), admitsLane(by: way) else { return }
    let (_, opening, finish) = add { [weak self, log] result in
      switch result {
      case .success(let link): if let self { onLink(link) } else { link.close() }
      case .failure(let error): log.debug("A lane of node \(opener.short) through its relay failed: \(error)")
      }
    }
    join(JoinPreamble(token, as: .target), at: way.dialableAddresses, opener, opening, finish)
  }

  // MARK: Both

  private typealias Finish = (Result<Link, KacheryError>) -> Void

  private func add(_ done: @escaping Finish) -> (UInt64, Opening, Finish) {
    lastOpening += 1
    let (id, opening) = (lastOpening, Opening())
    openings[id] = opening
    let finish: Finish = { [weak self] result in
      self?.remove(id)
      done(result)
    }
    let seconds = Self.time.components.seconds
    opening.deadline = loop.after(Self.time) {
      finish(.failure(KacheryError(.timedOut, "The lane was not open within \(seconds) s.")))
    }
    return (id, opening, finish)
  }

  /// Dials the relay at one address after the other until a lane is joined.
  private func join(
    _ preamble: JoinPreamble, at addresses: ArraySlice<Endpoint>, _ peer: NodeID, _ opening: Opening,
    _ finish: @escaping Finish
  ) {
    guard let endpoint = addresses.first else {
      return finish(.failure(KacheryError(.disconnected, "The relay cannot be dialed.")))
    }
    opening.attempt = host.join(preamble, at: endpoint, expected: peer, timeout: Self.time) {
      [weak self, weak opening] result in
      guard case .failure = result, addresses.count > 1, let self, let opening else { return finish(result) }
      join(preamble, at: addresses.dropFirst(), peer, opening, finish)
    }
  }

  private func remove(_ id: UInt64) { openings.removeValue(forKey: id)?.cancel() }

  /// Gives up every lane that is on its way.
  func stop() { for id in Array(openings.keys) { remove(id) } }
}

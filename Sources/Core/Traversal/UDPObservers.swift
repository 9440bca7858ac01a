package import Primitives
package import Wire

/// Asks bootstrap nodes from where this node's datagrams come, and again often enough for routers not to forget its
/// outside endpoint.
package struct UDPObservers: Sendable {
  /// How often the first bootstrap node is asked: routers forget after 30 s (RFC 4787 asks for two minutes).
  package static let period: Duration = .seconds(25)
  /// How often the others are asked: they only show whether the router uses one endpoint for all destinations.
  package static let furtherPeriod: Duration = .seconds(300)
  /// How long a bootstrap node may take for an answer.
  package static let answerTime: Duration = .milliseconds(300)
  /// How often it is asked until it counts as silent.
  package static let attempts = 3
  /// Most bootstrap nodes that are asked.
  package static let maximum = OutsideView.maximumObservers

  /// What is requested.
  package enum Action: Hashable, Sendable {
    case send(ProbeDatagram)
    /// The node sees this one's datagrams come from there.
    case seen(Endpoint, by: NodeID)
    /// The node does not answer.
    case unseen(by: NodeID)
  }

  private struct Observer: Sendable {
    let link: LinkID
    let key: ObservationKey
    let endpoint: Endpoint
    var nextAt: Instant
    /// Questions since the last answer.
    var asked = 0
    /// The clocks of these questions, the last ones.
    var clocks: [UInt64] = []
    var isSilent = false
  }

  private let node: NodeID
  private var observers: [NodeID: Observer] = [:]
  private var clock = ProbeClock()

  /// The observers of this node.
  package init(of node: NodeID) { self.node = node }

  /// Whether every bootstrap node that was asked is silent.
  package var isBlocked: Bool { !observers.isEmpty && observers.values.allSatisfy(\.isSilent) }

  /// The link over which the key for this node was agreed on; nil if it is not asked.
  package func link(of observer: NodeID) -> LinkID? { observers[observer]?.link }

  /// Asks this node from now on.
  ///
  /// - Parameters:
  ///   - link: the link to it.
  ///   - binding: bytes that only the two ends of the link know.
  ///   - endpoint: where it receives datagrams.
  package mutating func add(
    _ observer: NodeID, by link: LinkID, binding: [UInt8], at endpoint: Endpoint, now: Instant
  ) {
    guard observers[observer] != nil || observers.count < Self.maximum else { return }
    observers[observer] = Observer(link: link, key: ObservationKey(binding: binding), endpoint: endpoint, nextAt: now)
  }

  /// Asks this node no more.
  package mutating func remove(_ observer: NodeID) { observers[observer] = nil }

  /// When to call `wake` next.
  package var wakeAt: Instant? { observers.values.map(\.nextAt).min() }

  /// Asks whom it is time to ask.
  package mutating func wake(at now: Instant) -> [Action] {
    var actions: [Action] = []
    for (id, known) in observers.sorted(by: { $0.key < $1.key }) where known.nextAt <= now {
      var observer = known
      if observer.asked >= Self.attempts {
        if !observer.isSilent { actions.append(.unseen(by: id)) }
        (observer.asked, observer.isSilent) = (0, true)
        observer.nextAt = now + Self.period
      } else {
        observer.asked += 1
        observer.nextAt = now + Self.answerTime
        let question = Probe(.observe, session: observer.key.tag, clock: clock.next(at: now))
        observer.clocks = observer.clocks.suffix(Self.attempts - 1) + [question.clock]
        let bytes = question.encoded(with: observer.key.key, from: node)
        actions.append(.send(ProbeDatagram(bytes, to: observer.endpoint)))
      }
      observers[id] = observer
    }
    return actions
  }

  /// An answer has arrived. It is believed if it answers a recent question.
  ///
  /// - Parameter bytes: those of `probe`.
  package mutating func received(_ probe: Probe, _ bytes: [UInt8], at now: Instant) -> [Action] {
    guard probe.kind == .observed, let place = probe.place,
      let id = observers.keys.sorted().first(where: { observers[$0]?.key.tag == probe.session }),
      var observer = observers[id], observer.clocks.contains(probe.echo),
      Probe.isAuthentic(bytes, key: observer.key.key, from: id)
    else { return [] }
    (observer.asked, observer.clocks, observer.isSilent) = (0, [], false)
    observer.nextAt = now + (id == observers.keys.min() ? Self.period : Self.furtherPeriod)
    observers[id] = observer
    return [.seen(place, by: id)]
  }
}

import Primitives
import Wire

/// One round over UDP: probes every candidate until one way is proved in both directions. The controlling node then
/// opens a connection there.
///
/// Each datagram that arrives is answered by at most one of the same length, so an attacker who repeats or redirects
/// datagrams gains nothing.
///
///     prober ── probe ──▶ other      prober ◀── answer ── other      prober ── confirmation ──▶ other
struct ProbeRound: Sendable {
  /// How long candidates are probed.
  static let probingTime: Duration = .seconds(1)
  /// How long answers are awaited after that.
  static let waitingTime: Duration = .milliseconds(500)
  /// The pause between two probes of a candidate (RFC 8445, section 14.2).
  static let interval: Duration = .milliseconds(50)
  /// How long a connection over TCP may still come before one over UDP is opened: of two that are equally good, TCP costs
  /// half the processor time.
  static let patience: Duration = .milliseconds(250)
  /// The most endpoints that are probed.
  static let maximumCandidates = OwnSide.maximumUDP
  /// The most datagrams of the other node that are answered.
  static let maximumHeard = 400
  /// How many routers may pass on the datagram that opens this node's own router: enough for that and its provider's, and
  /// too few for the other node's, which might remember it as refused.
  static let openerHops: UInt8 = 5

  enum Step: Hashable, Sendable {
    case send(ProbeDatagram)
    /// Open a connection to this endpoint.
    case dial(Endpoint)
    /// There is no way.
    case fail
  }

  let session: UInt32
  let number: UInt8
  private let own: NodeID
  private let peer: NodeID
  private let isControlling: Bool
  private let key: [UInt8]
  private let candidates: [Endpoint]
  private let endsAt: Instant
  private var probeAt: Instant
  /// When to open the connection.
  private var dialAt: Instant?
  /// How long a connection over TCP may still come.
  private var patience: Duration
  private var progress = Progress()

  /// What has been sent and has arrived.
  private struct Progress: Sendable {
    /// To where the probes and answers with these clocks were sent.
    var sent: [UInt64: Endpoint] = [:]
    /// The clocks of what the other node has sent: nothing is believed twice.
    var heard: Set<UInt64> = []
    /// The endpoints from which that came.
    var met: Set<Endpoint> = []
    /// The first endpoint to which the way leads in both directions.
    var proved: Endpoint?
    var isOver = false
  }

  /// A round that begins probing at `start`.
  init(_ round: PunchRound, own: NodeID, candidates: [Endpoint], from start: Instant, patience: Duration) {
    (session, number, peer, isControlling, key) = (
      round.session, round.number, round.peer, round.isControlling, round.key
    )
    self.own = own
    self.patience = patience
    self.candidates = Array(candidates.prefix(Self.maximumCandidates))
    probeAt = start
    endsAt = start + Self.probingTime
  }

  /// When to call `wake`; nil if nothing is due.
  var wakeAt: Instant? {
    guard !progress.isOver else { return nil }
    if progress.proved != nil { return dialAt }
    return probeAt < endsAt ? probeAt : endsAt + Self.waitingTime
  }

  /// Does what is due.
  mutating func wake(_ clock: inout ProbeClock, at now: Instant) -> [Step] {
    guard let due = wakeAt, due <= now else { return [] }
    if let proved = progress.proved {
      progress.isOver = true
      return [.dial(proved)]
    }
    guard now < endsAt else {
      guard now >= endsAt + Self.waitingTime else {
        probeAt = endsAt
        return []
      }
      progress.isOver = true
      return [.fail]
    }
    probeAt = now + Self.interval
    return candidates.map { .send(datagram(.probe, to: $0, &clock, at: now)) }
  }

  /// A datagram of this session has arrived.
  ///
  /// - Parameter bytes: those of `probe`.
  mutating func received(
    _ probe: Probe, _ bytes: [UInt8], from sender: Endpoint, _ clock: inout ProbeClock, at now: Instant
  ) -> [Step] {
    guard probe.round == number, progress.heard.count < Self.maximumHeard, !progress.heard.contains(probe.clock),
      Probe.isAuthentic(bytes, key: key, from: peer)
    else { return [] }
    progress.heard.insert(probe.clock)
    progress.met.insert(sender)
    switch probe.kind {
    case .probe: return [.send(datagram(.answer, to: sender, echo: probe.clock, &clock, at: now))]
    case .answer:
      guard progress.sent[probe.echo] == sender else { return [] }
      prove(sender, at: now)
      return [.send(datagram(.confirmation, to: sender, echo: probe.clock, &clock, at: now))]
    case .confirmation:
      if progress.sent[probe.echo] == sender { prove(sender, at: now) }
      return []
    case .observe, .observed: return []
    }
  }

  private mutating func prove(_ endpoint: Endpoint, at now: Instant) {
    guard progress.proved == nil, !progress.isOver else { return }
    progress.proved = endpoint
    if isControlling { dialAt = now + patience }
  }

  /// No connection over TCP will come.
  mutating func hurry(at now: Instant) {
    patience = .zero
    if dialAt != nil { dialAt = now }
  }

  /// Whether authentic datagrams have come from there.
  func hasMet(_ endpoint: Endpoint) -> Bool { progress.met.contains(endpoint) }

  private mutating func datagram(
    _ kind: Probe.Kind, to endpoint: Endpoint, echo: UInt64 = 0, _ clock: inout ProbeClock, at now: Instant
  ) -> ProbeDatagram {
    let probe = Probe(kind, round: number, session: session, clock: clock.next(at: now), echo: echo)
    progress.sent[probe.clock] = endpoint
    return ProbeDatagram(probe.encoded(with: key, from: own), to: endpoint)
  }
}

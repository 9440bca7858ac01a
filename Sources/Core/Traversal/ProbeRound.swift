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
    /// Open further sockets, which send a datagram each.
    case open(SocketOpening)
    /// Accept connections at the further socket with this port, and close the others.
    case keep(UInt16)
    /// Open a connection.
    case dial(Route)
    /// There is no way.
    case fail
  }

  /// A way to the other node.
  struct Route: Hashable, Sendable {
    let endpoint: Endpoint
    /// The port of the further socket that it leads from; nil for the usual socket.
    let source: UInt16?
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
  private var guess: Guess?
  private var progress = Progress()

  /// The state of guessing ports.
  private struct Guess: Sendable {
    let kind: PortGuess
    let endsAt: Instant
    /// When to go on; nil if there is nothing more to send.
    var nextAt: Instant?
    /// The ports that are left.
    var ports: ArraySlice<UInt16> = []
    var hasSockets = false
  }

  /// What has been sent and has arrived.
  private struct Progress: Sendable {
    /// To where the probes and answers with these clocks were sent.
    var sent: [UInt64: Route] = [:]
    /// The clocks of what the other node has sent: nothing is believed twice.
    var heard: Set<UInt64> = []
    /// The endpoints from which that came.
    var met: Set<Endpoint> = []
    /// The first way that leads in both directions.
    var proved: Route?
    var isOver = false
  }

  /// A round that begins probing at `start`.
  ///
  /// - Parameters:
  ///   - patience: how long a connection over TCP may still come once a way is proved.
  ///   - guess: which ports to guess, and those of `probing` in order.
  init(
    _ round: PunchRound, own: NodeID, candidates: [Endpoint], from start: Instant, patience: Duration,
    guess: (kind: PortGuess, ports: [UInt16])? = nil
  ) {
    (session, number, peer, isControlling, key) = (
      round.session, round.number, round.peer, round.isControlling, round.key
    )
    self.own = own
    self.patience = patience
    self.candidates = Array(candidates.prefix(Self.maximumCandidates))
    probeAt = start
    endsAt = start + Self.probingTime
    self.guess = guess.map {
      let begin = start + PortGuess.pause
      let first = if case .probing = $0.kind { begin + PortGuess.headStart } else { begin }
      return Guess(kind: $0.kind, endsAt: begin + PortGuess.time, nextAt: first, ports: $0.ports[...])
    }
  }

  /// When to call `wake`; nil if nothing is due.
  var wakeAt: Instant? {
    guard !progress.isOver else { return nil }
    if progress.proved != nil { return dialAt }
    let last = max(endsAt, guess?.endsAt ?? endsAt) + Self.waitingTime
    return [probeAt < endsAt ? probeAt : nil, guess?.nextAt, last].compactMap { $0 }.min()
  }

  /// Whether ports are being guessed, or will be.
  var isGuessing: Bool { guess != nil && progress.proved == nil && !progress.isOver }

  /// Whether it has opened further sockets, and kept none.
  var hasSockets: Bool { guess?.hasSockets ?? false }

  /// Does what is due.
  mutating func wake(_ clock: inout ProbeClock, at now: Instant) -> [Step] {
    guard let due = wakeAt, due <= now else { return [] }
    if let proved = progress.proved {
      progress.isOver = true
      return [.dial(proved)]
    }
    guard now < max(endsAt, guess?.endsAt ?? endsAt) + Self.waitingTime else {
      progress.isOver = true
      return [.fail]
    }
    var steps: [Step] = []
    if probeAt <= now, probeAt < endsAt {
      probeAt = now + Self.interval
      if now < endsAt {
        steps = candidates.map { .send(datagram(.probe, by: Route(endpoint: $0, source: nil), &clock, at: now)) }
      }
    }
    return steps + continueGuess(&clock, at: now)
  }

  /// Opens ports toward the other node, or probes the next ones.
  private mutating func continueGuess(_ clock: inout ProbeClock, at now: Instant) -> [Step] {
    guard var state = guess, let due = state.nextAt, due <= now else { return [] }
    defer { guess = state }
    switch state.kind {
    case .opening(let endpoint, _):
      (state.nextAt, state.hasSockets) = (nil, true)
      let opener = datagram(.probe, by: Route(endpoint: endpoint, source: nil), &clock, at: now)
      let near = ProbeDatagram(opener.bytes, to: endpoint, hopLimit: Self.openerHops)
      return [.open(SocketOpening(PortGuess.sockets, sending: near))]
    case .probing(_, let host):
      let ports = state.ports.prefix(PortGuess.batch)
      state.ports = state.ports.dropFirst(PortGuess.batch)
      state.nextAt = state.ports.isEmpty ? nil : now + PortGuess.batchPause
      return ports.compactMap { Endpoint(host: host.description, port: $0) }.map {
        .send(datagram(.probe, by: Route(endpoint: $0, source: nil), &clock, at: now))
      }
    }
  }

  /// A datagram of this session has arrived.
  ///
  /// - Parameters:
  ///   - bytes: those of `probe`.
  ///   - route: from where it has come, and at which socket.
  mutating func received(
    _ probe: Probe, _ bytes: [UInt8], by route: Route, _ clock: inout ProbeClock, at now: Instant
  ) -> [Step] {
    guard probe.round == number, progress.heard.count < Self.maximumHeard, !progress.heard.contains(probe.clock),
      Probe.isAuthentic(bytes, key: key, from: peer)
    else { return [] }
    progress.heard.insert(probe.clock)
    progress.met.insert(route.endpoint)
    switch probe.kind {
    case .probe: return [.send(datagram(.answer, by: route, echo: probe.clock, &clock, at: now))] + keep(route)
    case .answer:
      guard progress.sent[probe.echo] == route else { return [] }
      let confirmation = datagram(.confirmation, by: route, echo: probe.clock, &clock, at: now)
      prove(route, at: now)
      return [.send(confirmation)]
    case .confirmation:
      if progress.sent[probe.echo] == route { prove(route, at: now) }
      return []
    case .observe, .observed: return []
    }
  }

  /// Keeps the further socket that the other node has met; the connection comes there.
  private mutating func keep(_ route: Route) -> [Step] {
    guard let port = route.source, hasSockets else { return [] }
    guess?.hasSockets = false
    return [.keep(port)]
  }

  private mutating func prove(_ route: Route, at now: Instant) {
    guard progress.proved == nil, !progress.isOver else { return }
    progress.proved = route
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
    _ kind: Probe.Kind, by route: Route, echo: UInt64 = 0, _ clock: inout ProbeClock, at now: Instant
  ) -> ProbeDatagram {
    let probe = Probe(kind, round: number, session: session, clock: clock.next(at: now), echo: echo)
    progress.sent[probe.clock] = route
    return ProbeDatagram(probe.encoded(with: key, from: own), to: route.endpoint, source: route.source)
  }
}

import Primitives
import Wire

/// The rounds over UDP with all nodes.
struct ProbeRounds: Sendable {
  /// Datagrams whose codes are checked in a second, from all senders.
  static let checksPerSecond = 2_000
  /// How often a node may make this one send openers.
  static let openerPeriod = ReachSession.answerTime

  /// What one round requests.
  struct Request: Hashable, Sendable {
    let peer: NodeID
    let session: UInt32
    let round: UInt8
    let step: ProbeRound.Step
  }

  private let own: NodeID
  private var rounds: [NodeID: ProbeRound] = [:]
  private var openedAt: [NodeID: Instant] = [:]
  private var clock = ProbeClock()
  private var checks = SecondlyAllowance(limit: checksPerSecond)
  private var guesses = PortGuessLog()
  /// The nodes whose further sockets are to be closed.
  private var closing: [NodeID] = []
  private var random: any RandomNumberGenerator & Sendable

  /// The rounds of the node with this ID.
  init(of own: NodeID, random: some RandomNumberGenerator & Sendable) {
    self.own = own
    self.random = random
  }

  /// When to call `wake`; nil if nothing is due.
  var wakeAt: Instant? { rounds.values.compactMap(\.wakeAt).min() }

  /// Begins a round. An earlier one with the same node ends.
  ///
  /// - Parameter patience: how long a connection over TCP may still come once a way is proved.
  mutating func begin(
    _ round: PunchRound, _ targets: PunchTargets, from start: Instant, patience: Duration, at now: Instant
  ) {
    end(round.peer)
    let guess = targets.guess.flatMap { admit($0, with: round.peer, at: now) }
    rounds[round.peer] = ProbeRound(
      round, own: own, candidates: targets.udp, from: start, patience: patience, guess: guess)
  }

  /// Whether ports may be guessed so now: with one node at a time, and rarely.
  func allows(_ guess: PortGuess, with peer: NodeID, at now: Instant) -> Bool {
    guesses.allows(peer, at: guess.host, now: now) && !rounds.contains { $0.key != peer && $0.value.isGuessing }
  }

  /// The guess with the ports to probe; nil if it is not to take place.
  private mutating func admit(
    _ guess: PortGuess, with peer: NodeID, at now: Instant
  ) -> (kind: PortGuess, ports: [UInt16])? {
    guard allows(guess, with: peer, at: now) else { return nil }
    guesses.record(peer, at: guess.host, now: now)
    guard case .probing = guess else { return (guess, []) }
    return (guess, Array(PortGuess.ports.shuffled(using: &random).prefix(PortGuess.probes)))
  }

  /// Ends the round with this node.
  mutating func end(_ peer: NodeID) {
    if let round = rounds.removeValue(forKey: peer), round.hasSockets { closing.append(peer) }
  }

  /// Removes and returns the nodes whose further sockets are to be closed.
  mutating func takeClosing() -> [NodeID] {
    defer { closing = [] }
    return closing
  }

  /// There is no session with this node any more.
  mutating func forget(_ peer: NodeID) {
    end(peer)
    openedAt[peer] = nil
  }

  /// The datagrams that open this node's router for those of the first round; none if it has just sent some.
  mutating func openers(_ round: PunchRound, to candidates: [Endpoint], at now: Instant) -> [ProbeDatagram] {
    guard openedAt[round.peer].map({ now - $0 >= Self.openerPeriod }) ?? true else { return [] }
    openedAt[round.peer] = now
    return candidates.prefix(ProbeRound.maximumCandidates).map { endpoint in
      let probe = Probe(.probe, round: round.number, session: round.session, clock: clock.next(at: now))
      let bytes = probe.encoded(with: round.key, from: own)
      return ProbeDatagram(bytes, to: endpoint, hopLimit: ProbeRound.openerHops)
    }
  }

  /// No connection over TCP will come.
  mutating func hurry(_ peer: NodeID, at now: Instant) { rounds[peer]?.hurry(at: now) }

  /// Whether authentic datagrams of this node have come from there in its round.
  func hasMet(_ peer: NodeID, at endpoint: Endpoint) -> Bool { rounds[peer]?.hasMet(endpoint) ?? false }

  /// A datagram has arrived, from anyone.
  mutating func received(_ probe: Probe, _ bytes: [UInt8], by route: ProbeRound.Route, at now: Instant) -> [Request] {
    // Strangers do not know the number of a session.
    guard let peer = rounds.keys.sorted().first(where: { rounds[$0]?.session == probe.session }),
      checks.take(at: now)
    else { return [] }
    return change(peer) { $0.received(probe, bytes, by: route, &$1, at: now) }
  }

  /// Does what is due.
  mutating func wake(at now: Instant) -> [Request] {
    rounds.keys.sorted().flatMap { peer in change(peer) { $0.wake(&$1, at: now) } }
  }

  private mutating func change(
    _ peer: NodeID, _ body: (inout ProbeRound, inout ProbeClock) -> [ProbeRound.Step]
  ) -> [Request] {
    guard var round = rounds[peer] else { return [] }
    let steps = body(&round, &clock)
    rounds[peer] = round
    return steps.map { Request(peer: peer, session: round.session, round: round.number, step: $0) }
  }
}

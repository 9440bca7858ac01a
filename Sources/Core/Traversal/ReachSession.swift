import Primitives
import Wire

/// The attempts to connect directly to one node, beside a relayed link to it.
///
///     idle ──room──▶ asking ──each knows the other's candidates──▶ starting ──▶ punching ──a link is up──▶ linked
///       ▲              │ 3 s                                          ▲             │                        │
///       │              ▼                                              │             ▼ no connection          │
///       ├─ a rest ─ resting ◀─── third round, or a refusal ─────── agreeing ◀───────┘                        │
///       └───────────────────────────────────── the link is lost ─────────────────────────────────────────────┘
///
/// The **controlling** node, the one with the smaller ID, numbers the sessions and starts the rounds, so two nodes that
/// begin at the same time have one session.
struct ReachSession: Sendable {
  /// How long the other node may take for an answer.
  static let answerTime: Duration = .seconds(3)
  /// How long a round may take, including the handshake on its connection. Its owner ends it earlier.
  static let roundTime: Duration = .seconds(15)
  /// The pause before the next look for room.
  static let turnPause: Duration = .seconds(1)
  /// The rests after sessions that failed; the last one is repeated.
  static let rests: [Duration] = [.seconds(10), .seconds(60), .seconds(600)]
  static let hurriedRest: Duration = .seconds(3)
  /// A direct link that was lost sooner counts as a failed session.
  static let shortLife: Duration = .seconds(30)
  /// Messages of the other node that are handled in a second.
  static let messagesPerSecond = 10

  /// What identifies a session at both ends.
  struct Name: Hashable, Sendable {
    /// 0 as long as the controlling node has not chosen it.
    var number: UInt32
    /// The key of the link on which the controlling node has sent the number.
    var key: [UInt8]
  }

  let peer: NodeID
  let isControlling: Bool
  /// On which the messages of the session travel.
  var link: ReachLink
  private(set) var phase = Phase.idle
  /// When to act next.
  private(set) var deadline: Instant?
  private(set) var name: Name
  private(set) var other: Other?
  private var answerTimes = AnswerTimes()
  /// What the round sends to that is about to start, or takes place.
  private(set) var targets = PunchTargets()
  /// Sessions that have failed since the last one that did not.
  private var failures = 0
  /// Whether a round has failed since the candidates of this node changed, or there was a direct link.
  private var hasFailed = false
  /// Whether work has come up for which no guess was offered yet.
  private var isWorkNew = false
  /// Whether the own candidates wait for an observation.
  private(set) var isPredicting = false
  var allowance = SecondlyAllowance(limit: messagesPerSecond)

  init(_ peer: NodeID, isControlling: Bool, over link: ReachLink) {
    self.peer = peer
    self.isControlling = isControlling
    self.link = link
    name = Name(number: 0, key: link.key)
  }

  var number: UInt32 { name.number }

  var isActive: Bool {
    switch phase {
    case .asking, .starting, .punching, .agreeing: true
    case .idle, .linked, .resting: false
    }
  }

  // MARK: Asking

  /// Asks the other node, or waits until there is room.
  mutating func begin(_ shared: inout SharedReach, at now: Instant) {
    guard shared.hasRoom(for: peer) else { return set(.idle, until: now + Self.turnPause) }
    other = nil
    answerTimes = AnswerTimes()
    name = Name(number: isControlling ? shared.number() : 0, key: link.key)
    ask(&shared, at: now)
  }

  /// Sends the own candidates and waits for what the other node says.
  mutating func ask(_ shared: inout SharedReach, at now: Instant) {
    isPredicting = false
    answerTimes.asked(at: now)
    set(.asking, until: now + Self.answerTime)
    sendCandidates(&shared)
  }

  /// Follows the controlling node into a session with this number.
  mutating func join(
    _ session: UInt32, _ other: Other, over link: ReachLink, _ shared: inout SharedReach, at now: Instant
  ) {
    cancel(&shared)
    self.link = link
    name = Name(number: session, key: link.key)
    self.other = other
    open(&shared, at: now)
    ask(&shared, at: now)
    predict(&shared)
  }

  /// Opens this node's router for the other one's datagrams, before that knows where to send them: some routers keep out
  /// for half a minute what they have refused once.
  private func open(_ shared: inout SharedReach, at now: Instant) {
    guard let plan = plans(shared.own)[.udp], !plan.isHopeless(in: 1) else { return }
    let endpoints = shared.budget.free(plan.endpoints(in: 1), at: now)
    shared.actions += shared.probes.openers(punchRound(1), to: endpoints, at: now).map { .probe($0) }
  }

  /// The other node has said where it may be reached.
  ///
  /// - Parameter isAnswer: whether it knows of this session; otherwise it has asked on its own.
  mutating func answered(_ other: Other, isAnswer: Bool, _ shared: inout SharedReach, at now: Instant) {
    let isFirst = self.other == nil
    self.other = other
    if isAnswer { answerTimes.answered(at: now) }
    set(.asking, until: now + Self.answerTime)
    if isFirst { predict(&shared) }
    startIfReady(&shared, at: now)
  }

  /// The other node's candidates have changed.
  mutating func replace(_ other: Other) { self.other = other }

  /// Requests an observation from which the next ports follow, if the NAT chooses them in sequence.
  private mutating func predict(_ shared: inout SharedReach) {
    guard shared.own.mapping == .sequence else { return }
    isPredicting = true
    shared.actions += [.quiet(peer), .observe]
  }

  /// Where the node was seen just now; nil if it was not.
  mutating func observed(_ endpoint: Endpoint?, _ shared: inout SharedReach, at now: Instant) {
    guard isPredicting else { return }
    isPredicting = false
    guard phase == .asking else { return }
    set(.asking, until: now + Self.answerTime)
    let own = shared.own
    let mapping = endpoint == nil ? MappingKind.random : own.mapping
    send(.reach(reach(own, mapping, after: endpoint)), &shared)
    startIfReady(&shared, at: now)
  }

  /// The own candidates have changed.
  mutating func ownChanged(_ shared: inout SharedReach, at now: Instant) {
    hasFailed = false
    switch phase {
    case .asking where !isPredicting:
      sendCandidates(&shared)
      if isControlling ? other != nil : number != 0 { predict(&shared) }
    case .resting:
      failures = 0
      begin(&shared, at: now)
    case .idle, .asking, .starting, .punching, .agreeing, .linked: break
    }
  }

  private func sendCandidates(_ shared: inout SharedReach) {
    send(.reach(reach(shared.own, shared.own.mapping)), &shared)
  }

  private func reach(_ own: OwnSide, _ mapping: MappingKind, after last: Endpoint? = nil) -> Reach {
    Reach(
      session: number, tcp: mapping, udp: own.udpMapping, ways: own.ways, candidates: own.candidates(after: last))
  }

  // MARK: Rounds

  /// The round trip between the two nodes on the relayed link; nil if it is not known yet.
  private var roundTrip: Duration? { [answerTimes.shortest, link.roundTrip].compactMap { $0 }.min() }

  private mutating func startIfReady(_ shared: inout SharedReach, at now: Instant) {
    guard isControlling, !isPredicting, let other, !other.isPredicting, roundTrip != nil else { return }
    guard hasFailed, link.carriesWork, guess(inAnswerTo: nil, shared, at: now) != nil else {
      return start(1, &shared, at: now)
    }
    // An earlier session has tried what the first round does.
    set(.agreeing(PortGuess.firstRound), until: now + Self.answerTime)
    sendCandidates(for: PortGuess.firstRound, &shared, at: now)
  }

  /// Prepares this round; the controlling node tells the other one.
  mutating func start(_ round: UInt8, _ shared: inout SharedReach, at now: Instant) {
    guard let other else { return }
    let plans = plans(shared.own).filter { !$0.value.isHopeless(in: round) }
    guard !plans.isEmpty else {
      failures = Self.rests.count
      return refuse(round, &shared, at: now)
    }
    var wanted = PunchTargets()
    if let plan = plans[.tcp] { (wanted.tcp, wanted.open) = (plan.endpoints(in: round), .tcp) }
    if let plan = plans[.udp] {
      (wanted.udp, wanted.open) = (plan.endpoints(in: round), wanted.open.union(.udp))
      if round >= PortGuess.firstRound { wanted.guess = targets.guess }
    }
    guard let admitted = shared.budget.admit(wanted, for: peer, at: now) else {
      return refuse(round, &shared, at: now)
    }
    targets = admitted
    shared.actions.append(.quiet(peer))
    if targets.open.contains(.udp) {
      // Otherwise the other node opens its router when it has the message, and probes immediately.
      let pause = isControlling && !other.isOpen ? roundTrip ?? .zero : .zero
      if pause > .zero {
        shared.actions += shared.probes.openers(punchRound(round), to: targets.udp, at: now).map { .probe($0) }
      }
      let isPatient = targets.open.contains(.tcp) && !link.prefersQUIC
      shared.probes.begin(
        punchRound(round), targets, from: now + pause, patience: isPatient ? ProbeRound.patience : .zero, at: now)
    }
    var wait = PunchPlan.delay(in: round, isControlling: isControlling)
    if isControlling {
      send(.punchStart(PunchStart(session: number, round: round)), &shared)
      wait += (roundTrip ?? .zero) / 2
    }
    set(.starting(round), until: now + wait)
    if wait == .zero { run(round, &shared, at: now) }
  }

  private mutating func run(_ round: UInt8, _ shared: inout SharedReach, at now: Instant) {
    set(.punching(round), until: now + Self.roundTime)
    if targets.open.contains(.tcp) { shared.actions.append(.punch(punchRound(round))) }
    if targets.open.isEmpty { failed(round, by: [], &shared, at: now) }
  }

  private func punchRound(_ round: UInt8) -> PunchRound {
    PunchRound(
      peer: peer, session: number, number: round, isControlling: isControlling, key: name.key,
      candidates: targets.tcp)
  }

  /// The round has led to no connection by these ways.
  mutating func failed(_ round: UInt8, by ways: PunchWays, _ shared: inout SharedReach, at now: Instant) {
    guard phase == .punching(round) || phase == .starting(round) else { return }
    targets.open.subtract(ways)
    if targets.open == .udp { shared.probes.hurry(peer, at: now) }
    guard phase == .punching(round), targets.open.isEmpty else { return }
    hasFailed = true
    shared.probes.end(peer)
    shared.budget.ended(peer)
    guard round < PunchPlan.rounds else {
      if isControlling { send(.punchEnd(PunchEnd(session: number, round: round, .failed)), &shared) }
      return rest(&shared, at: now)
    }
    set(.agreeing(round + 1), until: now + Self.answerTime)
    guard isControlling else { return }
    sendCandidates(for: round + 1, &shared, at: now)
  }

  /// The other node's candidates for a further round have arrived.
  mutating func agree(on punch: Punch, _ shared: inout SharedReach, at now: Instant) {
    let round = punch.round
    switch phase {
    case .agreeing(round): break
    // The controlling node leaves out the first round.
    case .asking where !isControlling && round == PortGuess.firstRound: break
    // The other end of the last round noticed its end first.
    case .punching(let last) where !isControlling && last + 1 == round: cancel(&shared)
    case .idle, .asking, .starting, .punching, .agreeing, .linked, .resting: return
    }
    other?.candidates = punch.candidates
    set(.agreeing(round), until: now + Self.answerTime)
    guard isControlling else { return sendCandidates(for: round, inAnswerTo: punch, &shared, at: now) }
    if !agreesToGuess(punch) { targets.guess = nil }
    answerTimes.answered(at: now)
    // Plain probes would fail again, and use up what the host may be sent when there is work.
    guard targets.guess != nil || possibleGuess(shared.own) == nil else { return refuse(round, &shared, at: now) }
    start(round, &shared, at: now)
  }

  private mutating func sendCandidates(
    for round: UInt8, inAnswerTo question: Punch? = nil, _ shared: inout SharedReach, at now: Instant
  ) {
    answerTimes.asked(at: now)
    targets.guess = guess(inAnswerTo: question, shared, at: now)
    if targets.guess != nil, link.carriesWork { isWorkNew = false }
    send(.punch(punch(round, shared.own, isAnswer: question != nil)), &shared)
  }

  /// The other node starts this round.
  mutating func follow(_ round: UInt8, _ shared: inout SharedReach, at now: Instant) {
    guard number != 0, !isControlling, phase == .agreeing(round) || (phase == .asking && round == 1) else { return }
    start(round, &shared, at: now)
  }

  // MARK: Ends

  /// A direct link is up, or about to be.
  mutating func linked(at place: Address?, _ shared: inout SharedReach, at now: Instant) {
    if case .linked = phase { return }
    let round = punchedRound
    cancel(&shared)
    if isControlling, let round {
      let winner =
        place?.tcpEndpoint.flatMap { Candidate(.met, at: $0) }
        ?? place?.quicEndpoint.flatMap { Candidate(.met, at: $0, over: .udp) }
      send(.punchEnd(PunchEnd(session: number, round: round, .won, winner: winner)), &shared)
    }
    hasFailed = false
    set(.linked(since: now), until: nil)
  }

  /// The direct link is lost.
  mutating func lost(_ shared: inout SharedReach, at now: Instant) {
    guard case .linked(let since) = phase else { return }
    guard now - since >= Self.shortLife else { return rest(&shared, at: now) }
    failures = 0
    begin(&shared, at: now)
  }

  /// The other node has ended the session.
  mutating func ended(_ outcome: PunchEnd.Outcome, _ shared: inout SharedReach, at now: Instant) {
    // This end of the connection is yet to come up.
    guard isActive, outcome != .won else { return }
    cancel(&shared)
    rest(&shared, at: now)
  }

  /// More is known about the link on which the session takes place.
  mutating func update(_ link: ReachLink, _ shared: inout SharedReach, at now: Instant) {
    if link.carriesWork && !self.link.carriesWork { isWorkNew = true }
    self.link = link
    if phase == .asking { startIfReady(&shared, at: now) }
    if phase == .resting { hurry(&shared, at: now) }
  }

  /// Ends the rest soon if there is reason now for what the last session did not try.
  private mutating func hurry(_ shared: inout SharedReach, at now: Instant) {
    guard isWorkNew, let endpoint = guess(inAnswerTo: nil, shared, at: now)?.endpoint else { return }
    isWorkNew = false
    failures = 0
    // Its host may have had as many rounds as it may have for now.
    guard shared.budget.free([endpoint], at: now).isEmpty else { return begin(&shared, at: now) }
    set(.resting, until: now + Self.hurriedRest)
  }

  /// The link on which the session takes place is gone.
  mutating func move(to link: ReachLink, _ shared: inout SharedReach, at now: Instant) {
    self.link = link
    switch phase {
    case .asking, .agreeing: begin(&shared, at: now)
    case .idle, .starting, .punching, .linked, .resting: break
    }
  }

  /// Tells the other node that there is no further round now.
  private mutating func refuse(_ round: UInt8, _ shared: inout SharedReach, at now: Instant) {
    send(.punchEnd(PunchEnd(session: number, round: round - 1, .notNow)), &shared)
    rest(&shared, at: now)
  }

  mutating func rest(_ shared: inout SharedReach, at now: Instant) {
    let pause = Self.rests[min(failures, Self.rests.count - 1)]
    failures += 1
    set(.resting, until: now + shared.spread(pause))
    hurry(&shared, at: now)
  }

  /// Stops the running round.
  mutating func cancel(_ shared: inout SharedReach) {
    shared.budget.ended(peer)
    isPredicting = false
    shared.probes.end(peer)
    if case .punching = phase { shared.actions.append(.cancel(peer)) }
  }

  // MARK: Time

  /// Does what is due.
  mutating func wake(_ shared: inout SharedReach, at now: Instant) {
    switch phase {
    case .idle, .resting: begin(&shared, at: now)
    case .starting(let round): run(round, &shared, at: now)
    case .asking, .agreeing: rest(&shared, at: now)
    case .punching(let round):
      cancel(&shared)
      failed(round, by: targets.open, &shared, at: now)
    case .linked: set(phase, until: nil)
    }
  }

  private mutating func set(_ phase: Phase, until deadline: Instant?) {
    self.phase = phase
    self.deadline = deadline
  }

  private func send(_ message: ControlMessage, _ shared: inout SharedReach) {
    shared.actions.append(.send(link.id, message))
  }
}

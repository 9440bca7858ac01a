import EventLoop
import Primitives
import Wire

/// One round of two nodes that dial each other at the same moment: dials every candidate, exchanges preambles on each
/// connection that opens in either direction, and agrees on one of them. A value without I/O and without a clock.
///
///     dialing ──1 s──▶ waiting (only connections that are open, 1 s more) ──▶ over
///        └──────a connection is agreed on──┴───────────────────────────────────▲
struct PunchAttempt {
  /// How long addresses are dialed.
  static let dialingTime: Duration = .seconds(1)
  /// How long connections without an agreement stay after that.
  static let waitingTime: Duration = .seconds(1)
  /// The bounds of the longest pause before an address that has refused is dialed again.
  private static let refusalPauses = Duration.milliseconds(4)...Duration.milliseconds(40)
  /// The pause before an address is dialed again to which there is a connection already: it may be ending.
  static let takenPause: Duration = .milliseconds(50)
  /// How often an address that refuses is dialed again.
  static let maximumRepetitions = 15
  /// How often all addresses together are dialed again.
  static let maximumRepetitionsInAll = 112
  /// The most addresses that are dialed.
  static let maximumCandidates = WireLimits.candidates
  /// The most connections that are open.
  static let maximumPaths = 32

  enum Step: Equatable {
    /// Dial this address, and report the result under this number.
    case dial(Int, Endpoint)
    /// Give up this dial.
    case abandon(Int)
    /// Wait for this dial no more, but keep it for the next round.
    case keep(Int)
    /// Send these bytes on this connection.
    case send(Int, [UInt8])
    /// Reset this connection.
    case reset(Int)
    /// Use this connection. TLS begins with these bytes, which have already arrived.
    case adopt(Int, [UInt8])
    /// The round has ended without a connection.
    case fail(String)
  }

  private struct Candidate {
    let endpoint: Endpoint
    var dialedAt: Instant
    var repetitions = 0
    /// What became of its last dial.
    var problem = "does not answer"
    /// When to dial next; nil while it is dialed or connected, and once it is given up.
    var nextAt: Instant?
  }

  private struct Path {
    /// The candidate that was dialed; nil if the other node dialed.
    let candidate: Int?
    var received: [UInt8] = []
    /// Whether the preamble of the other node has arrived.
    var isProved = false
  }

  private let round: PunchRound
  private let own: NodeID
  private let dialUntil: Instant
  private var candidates: [Candidate]
  /// The candidates of unfinished dials.
  private var dials: [Int: Int] = [:]
  private var paths: [Int: Path] = [:]
  /// What has arrived: nothing is believed twice.
  private var seen: Set<[UInt8]> = []
  private var repetitions = 0
  private var random: any RandomNumberGenerator
  private var lastNumber = 0
  private var lastClock: UInt64 = 0
  private var steps = EffectQueue<Step>()

  /// Whether no address is dialed anymore.
  private var isWaiting = false
  private(set) var isOver = false

  /// A round that begins now.
  ///
  /// - Parameters:
  ///   - own: this node.
  ///   - random: varies the pauses between dials.
  init(_ round: PunchRound, own: NodeID, random: some RandomNumberGenerator, at now: Instant) {
    self.round = round
    self.own = own
    self.random = random
    dialUntil = now + Self.dialingTime
    candidates = round.candidates.prefix(Self.maximumCandidates).map {
      Candidate(endpoint: $0, dialedAt: now, nextAt: now)
    }
    wake(at: now)
  }

  private var endsAt: Instant { dialUntil + Self.waitingTime }

  /// When to call `wake`; nil if the round is over.
  var wakeAt: Instant? {
    guard !isOver else { return nil }
    return isWaiting ? endsAt : min(candidates.compactMap(\.nextAt).min() ?? dialUntil, dialUntil)
  }

  /// The next step to carry out; nil if there is none.
  mutating func nextStep() -> Step? { steps.next() }

  // MARK: Input

  /// Dials what is due, and ends the round when its time is over.
  mutating func wake(at now: Instant) {
    guard !isOver else { return }
    guard now < endsAt else { return fail() }
    guard now < dialUntil else {
      isWaiting = true
      for dial in dials.keys.sorted() { steps.append(.keep(dial)) }
      dials = [:]
      return paths.isEmpty ? fail() : ()
    }
    for index in candidates.indices where candidates[index].nextAt.map({ $0 <= now }) == true {
      candidates[index].nextAt = nil
      candidates[index].dialedAt = now
      lastNumber += 1
      dials[lastNumber] = index
      steps.append(.dial(lastNumber, candidates[index].endpoint))
    }
  }

  /// A dial has led to a connection, which has the number of the dial.
  mutating func opened(_ dial: Int, at now: Instant) {
    guard let candidate = dials.removeValue(forKey: dial), admits() else { return steps.append(.reset(dial)) }
    candidates[candidate].problem = "answers, but not as the node"
    paths[dial] = Path(candidate: candidate)
    send(.preamble, on: dial, at: now)
  }

  /// A dial has failed.
  mutating func failed(_ dial: Int, _ failure: DialFailure, at now: Instant) {
    guard let candidate = dials.removeValue(forKey: dial) else { return }
    switch failure {
    case .refused:
      candidates[candidate].problem = "refuses connections"
      repeatDial(of: candidate, at: now)
    case .taken:
      candidates[candidate].problem = "has a connection already"
      candidates[candidate].nextAt = now + Self.takenPause
    case .unreachable(let reason): candidates[candidate].problem = "cannot be reached (\(reason))"
    }
  }

  /// Whether these bytes, the first of a connection that another side has opened, are a preamble of this round.
  func claims(_ bytes: [UInt8]) -> Bool {
    !isOver && PunchPreamble.decode(bytes.prefix(PunchPreamble.byteCount), in: round)?.kind == .preamble
  }

  /// Takes such a connection, with everything that has arrived on it. Returns its number.
  mutating func accepted(_ bytes: [UInt8], at now: Instant) -> Int {
    lastNumber += 1
    guard admits() else {
      steps.append(.reset(lastNumber))
      return lastNumber
    }
    paths[lastNumber] = Path(candidate: nil)
    send(.preamble, on: lastNumber, at: now)
    received(bytes, on: lastNumber, at: now)
    return lastNumber
  }

  /// Bytes have arrived on a connection.
  mutating func received(_ bytes: some Sequence<UInt8>, on number: Int, at now: Instant) {
    guard !isOver, paths[number] != nil else { return }
    paths[number]?.received += bytes
    guard paths[number]?.received.first.map({ $0 == PunchPreamble.firstByte }) != false else { return drop(number) }
    while !isOver, let path = paths[number], path.received.count >= PunchPreamble.byteCount {
      let first = Array(path.received.prefix(PunchPreamble.byteCount))
      paths[number]?.received.removeFirst(PunchPreamble.byteCount)
      let kind = PunchPreamble.decode(first, in: round)?.kind
      guard kind == (path.isProved ? .chosen : .preamble), seen.insert(first).inserted else { return drop(number) }
      take(number, isChosen: path.isProved, at: now)
    }
  }

  private mutating func take(_ number: Int, isChosen: Bool, at now: Instant) {
    paths[number]?.isProved = true
    if round.isControlling {
      send(.chosen, on: number, at: now)
      adopt(number)
    } else if isChosen {
      adopt(number)
    }
  }

  /// A connection has ended.
  mutating func ended(_ number: Int, at now: Instant) {
    guard let path = paths.removeValue(forKey: number), !isOver else { return }
    // A router has let the connection open and then refused it.
    if let candidate = path.candidate, !path.isProved { repeatDial(of: candidate, at: now) }
    if isWaiting, paths.isEmpty { fail() }
  }

  /// Ends the round without a connection.
  mutating func cancel() {
    guard !isOver else { return }
    for dial in dials.keys.sorted() { steps.append(.keep(dial)) }
    dials = [:]
    end()
  }

  // MARK: Output

  /// Whether another connection may be open.
  private func admits() -> Bool { !isOver && paths.count < Self.maximumPaths }

  /// Dials a candidate again after a refusal.
  ///
  /// Two routers that refuse let a connection open only if each node's dial arrives while the other's is on its way. So
  /// the pause is random, and about as long as that time: as two dials miss each other, the next two may not.
  private mutating func repeatDial(of candidate: Int, at now: Instant) {
    guard candidates[candidate].repetitions < Self.maximumRepetitions, repetitions < Self.maximumRepetitionsInAll
    else { return }
    candidates[candidate].repetitions += 1
    repetitions += 1
    let bounds = Self.refusalPauses
    let longest = min(max((now - candidates[candidate].dialedAt) * 4, bounds.lowerBound), bounds.upperBound)
    candidates[candidate].nextAt = now + longest * Double.random(in: 0.05..<1, using: &random)
  }

  private mutating func send(_ kind: PunchPreamble.Kind, on number: Int, at now: Instant) {
    lastClock = max(now.nanoseconds / 1_000, lastClock + 1)
    steps.append(.send(number, PunchPreamble(kind, clock: lastClock).encoded(in: round, from: own)))
  }

  /// Another program is at the other end: its address is not dialed again.
  private mutating func drop(_ number: Int) {
    paths[number] = nil
    steps.append(.reset(number))
    if isWaiting, paths.isEmpty { fail() }
  }

  private mutating func adopt(_ number: Int) {
    guard let path = paths.removeValue(forKey: number) else { return }
    steps.append(.adopt(number, path.received))
    end()
  }

  private mutating func fail() {
    end()
    let problems = candidates.map { "\($0.endpoint) \($0.problem)" }.joined(separator: ", ")
    steps.append(.fail(problems.isEmpty ? "No address is known." : "\(problems)."))
  }

  private mutating func end() {
    isOver = true
    for dial in dials.keys.sorted() { steps.append(.abandon(dial)) }
    for path in paths.keys.sorted() { steps.append(.reset(path)) }
    (dials, paths) = ([:], [:])
  }
}

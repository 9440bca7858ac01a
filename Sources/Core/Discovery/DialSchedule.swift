package import Primitives

/// Names one attempt to connect.
package struct DialID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// Whom this node wants a link to.
package enum DialTarget: Hashable, Sendable {
  /// Whatever node listens there.
  case bootstrap(Endpoint)
  /// This node, wherever it is.
  case member(NodeID)
}

/// Decides when to dial whom: each target's addresses raced with head starts, and after a failure a pause that doubles.
///
///     waiting ──due──▶ racing ──an address answers──▶ linked
///        ▲                │                             │
///        └──all failed────┴────────link lost────────────┘
package struct DialSchedule: Sendable {
  /// What the schedule wants done.
  package enum Action: Hashable, Sendable {
    case dial(DialID, Endpoint, expected: NodeID?)
    case cancel(DialID)
  }

  /// The head start of each address over the next: long enough for a handshake on a fast path (RFC 8305, section 5).
  package static let headStart: Duration = .milliseconds(250)
  /// The pause after the first failure; it doubles up to `longestPause`.
  package static let firstPause: Duration = .seconds(1)
  package static let longestPause: Duration = .seconds(60)
  /// A link that lived for less may have been refused for a reason that lasts.
  package static let shortLife: Duration = .seconds(30)
  /// Attempts that may be under way at once, over all targets.
  package static let maximumAttempts = 64

  private struct Race {
    /// Of those that are due together the oldest comes first.
    let number: UInt64
    var addresses: [Endpoint]
    var attempts: Set<DialID> = []
    var isLinked = false
    var failures = 0
    /// What went wrong last, since there was a link.
    var problem: DialProblem?
    /// The addresses of this round that have not been tried.
    var untried: ArraySlice<Endpoint> = []
    var nextAt: Instant

    /// Whether an attempt is under way or another address is to be tried.
    var isRunning: Bool { !attempts.isEmpty || !untried.isEmpty }
    /// When something is to be done about it; nil while only an answer can change it.
    var deadline: Instant? { !isLinked && (attempts.isEmpty || !untried.isEmpty) ? nextAt : nil }
  }

  private var races: [DialTarget: Race] = [:]
  /// By the numbers of the races.
  private var deadlines = Deadlines<UInt64>()
  private var targetOfRace: [UInt64: DialTarget] = [:]
  private var running: Set<DialTarget> = []
  private var targets: [DialID: DialTarget] = [:]
  private var lastNumber: UInt64 = 0
  private var random: any RandomNumberGenerator & Sendable

  /// A schedule whose pauses are spread by `random`, so that nodes do not come back in step.
  package init(random: some RandomNumberGenerator & Sendable) { self.random = random }

  /// Whether any attempt is under way or due: a peer may appear soon.
  package var isBusy: Bool { !running.isEmpty }

  /// The targets that are wanted, in the order in which they came.
  package var wanted: [DialTarget] { races.sorted { $0.value.number < $1.value.number }.map(\.key) }

  /// How many targets are wanted.
  package var count: Int { races.count }

  /// Whether a link to the target is wanted.
  package func wants(_ target: DialTarget) -> Bool { races[target] != nil }

  /// Wants a link to `target` at one of these addresses, the likeliest first. The first attempt waits for `delay`.
  package mutating func want(
    _ target: DialTarget, at addresses: [Endpoint], delay: Duration = .zero, now: Instant
  ) {
    guard var race = races[target] else {
      lastNumber += 1
      targetOfRace[lastNumber] = target
      return set(target, Race(number: lastNumber, addresses: addresses, nextAt: now + delay))
    }
    let isNews = race.addresses != addresses
    race.addresses = addresses
    // A new address is a reason to try again at once.
    if isNews, !race.isLinked, race.attempts.isEmpty { race.nextAt = min(race.nextAt, now) }
    set(target, race)
  }

  /// Wants no link to `target` any more; attempts under way are cancelled.
  package mutating func forget(_ target: DialTarget) -> [Action] {
    guard let race = races.removeValue(forKey: target) else { return [] }
    deadlines.clear(race.number)
    targetOfRace[race.number] = nil
    running.remove(target)
    return cancel(race.attempts)
  }

  /// A link to the target is up, dialed by either side; attempts under way are cancelled.
  package mutating func linked(_ target: DialTarget, except winner: DialID? = nil) -> [Action] {
    guard var race = races[target] else { return [] }
    var losers = race.attempts
    if let winner {
      losers.remove(winner)
      targets[winner] = nil
    }
    race.isLinked = true
    race.problem = nil
    race.attempts = []
    race.untried = []
    set(target, race)
    return cancel(losers)
  }

  /// The link to the target is gone after it has lived for `life`. One that was short counts as a failure, so that two
  /// nodes that cannot agree do not dial each other every second.
  package mutating func lost(_ target: DialTarget, after life: Duration, now: Instant) {
    guard var race = races[target], race.isLinked else { return }
    race.isLinked = false
    race.failures = life < Self.shortLife ? race.failures + 1 : 1
    race.nextAt = now + spread(pause(after: race.failures))
    set(target, race)
  }

  /// The target that an attempt is for; nil where it was cancelled.
  package func target(of attempt: DialID) -> DialTarget? { targets[attempt] }

  /// Why the target cannot be reached; nil where it can, or where nobody has tried.
  package func problem(with target: DialTarget) -> DialProblem? { races[target]?.problem }

  /// The attempt has failed, for a reason that a person may want to know.
  package mutating func failed(_ attempt: DialID, _ problem: DialProblem? = nil, now: Instant) {
    guard let target = targets.removeValue(forKey: attempt), var race = races[target] else { return }
    race.problem = problem ?? race.problem
    race.attempts.remove(attempt)
    if race.attempts.isEmpty {
      if race.untried.isEmpty {
        race.failures += 1
        race.nextAt = now + spread(pause(after: race.failures))
      } else {
        race.nextAt = now
      }
    }
    set(target, race)
  }

  /// When `wake` wants to be called next.
  package var wakeAt: Instant? { deadlines.next }

  /// Whether the deadlines that are kept are those that a walk over all targets finds. Tests check it after each input.
  package var keepsItsDeadlines: Bool {
    deadlines.next == races.values.compactMap(\.deadline).min()
      && races.allSatisfy { deadlines[$0.value.number] == $0.value.deadline && targetOfRace[$0.value.number] == $0.key }
      && running == Set(races.filter(\.value.isRunning).keys) && targetOfRace.count == races.count
  }

  /// Starts whatever attempts are due.
  package mutating func wake(now: Instant) -> [Action] {
    var actions: [Action] = []
    for number in deadlines.due(at: now) {
      guard let target = targetOfRace[number], var race = races[target] else { continue }
      guard targets.count < Self.maximumAttempts else {
        race.nextAt = now + Self.headStart
        set(target, race)
        continue
      }
      if race.untried.isEmpty { race.untried = race.addresses[...] }
      guard let address = race.untried.popFirst() else {
        race.nextAt = now + Self.longestPause
        set(target, race)
        continue
      }
      lastNumber += 1
      let attempt = DialID(number: lastNumber)
      targets[attempt] = target
      race.attempts.insert(attempt)
      race.nextAt = now + Self.headStart
      set(target, race)
      actions.append(.dial(attempt, address, expected: target.node))
    }
    return actions
  }

  private mutating func set(_ target: DialTarget, _ race: Race) {
    races[target] = race
    deadlines.set(race.number, race.deadline)
    if race.isRunning { running.insert(target) } else { running.remove(target) }
  }

  private mutating func cancel(_ attempts: Set<DialID>) -> [Action] {
    let inOrder = attempts.sorted { $0.number < $1.number }
    for attempt in inOrder { targets[attempt] = nil }
    return inOrder.map { .cancel($0) }
  }

  private func pause(after failures: Int) -> Duration {
    min(Self.firstPause * (1 << min(failures - 1, 10)), Self.longestPause)
  }

  private mutating func spread(_ pause: Duration) -> Duration {
    pause * Double.random(in: 0.75..<1.25, using: &random)
  }
}

/// Why an attempt to connect came to nothing.
package struct DialProblem: Hashable, Sendable {
  package let endpoint: Endpoint
  /// A sentence, or a part of one.
  package let reason: String

  package init(endpoint: Endpoint, reason: String) {
    self.endpoint = endpoint
    self.reason = reason
  }
}

extension DialTarget {
  /// The node that must answer; nil where any may.
  package var node: NodeID? { if case .member(let node) = self { node } else { nil } }
}

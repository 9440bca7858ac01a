package import Primitives

/// Identifies one attempt to connect.
package struct DialID: Hashable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }
}

/// A node to which this node wants a link.
package enum DialTarget: Hashable, Sendable {
  /// Any node that listens at this address.
  case bootstrap(Endpoint)
  /// This node, at any address.
  case member(NodeID)
  /// The node that has announced itself at this address of a local network. It is dialed once: its next announcement is
  /// the next occasion.
  case nearby(Endpoint)
}

/// Decides when to dial which target: races each target's addresses with head starts, and doubles the pause after each
/// failure.
///
///     waiting ──due──▶ racing ──an address answers──▶ linked
///        ▲                │                             │
///        └──all failed────┴────────link lost────────────┘
///
/// A target that is linked only through a relay is still dialed at its own addresses, in rounds that become rarer.
package struct DialSchedule: Sendable {
  /// What the schedule requests.
  package enum Action: Hashable, Sendable {
    case dial(DialID, Address, expected: NodeID?)
    case cancel(DialID)
  }

  /// The head start of each address over the next: enough for a handshake on a fast path (RFC 8305, section 5).
  package static let headStart: Duration = .milliseconds(250)
  /// The pause after the first failure; it doubles up to `longestPause`.
  package static let firstPause: Duration = .seconds(1)
  package static let longestPause: Duration = .seconds(60)
  /// A link that ended sooner may have been refused for a lasting reason.
  package static let shortLife: Duration = .seconds(30)
  /// A relayed link that lasted at least as long ended with its relay.
  static let relayLife: Duration = .seconds(2)
  /// How often an attempt through a relay is repeated while the target's own addresses are being tried: the target may
  /// not be linked to the relay yet.
  static let relayRepetitions = 4
  /// Most concurrent attempts, over all targets.
  package static let maximumAttempts = 64
  /// The pause between attempts at a target whose link is silent.
  package static let silentPause: Duration = .seconds(1)
  /// Most concurrent attempts at a target. While its link is silent, a further one replaces the oldest.
  static let maximumConcurrentAttempts = 16
  /// The pauses between rounds at a target that is linked only through a relay; the last one is repeated.
  package static let relayedPauses: [Duration] = [.seconds(10), .seconds(60), .seconds(600)]
  /// How long after its start a first attempt at a target is likely to lead to a link: the handshake takes four round
  /// trips.
  package static let meetingTime: Duration = .seconds(5)

  private struct Race {
    /// Among targets that are due together, the oldest is dialed first.
    let number: UInt64
    var addresses: [Address]
    var attempts: [DialID: Address] = [:]
    var isLinked = false
    /// Whether each of its links leads through a relay.
    var isRelayed = false
    /// Rounds that failed since then.
    var relayedRounds = 0
    /// Attempts through relays that failed and were repeated in this round.
    var repeatedRelays = 0
    /// Whether its link is silent: it is dialed again and again beside that link.
    var isSilent = false
    var failures = 0
    /// When the first address of this round was dialed.
    var begunAt: Instant?
    /// The problem with the most likely address since the last link.
    var problem: DialProblem?
    /// The addresses of this round that have not been tried.
    var untried: ArraySlice<Address> = []
    var nextAt: Instant

    /// Whether a first link may be about to come up: an attempt is running or another address is still to be tried.
    var isRunning: Bool { !isRelayed && isTrying }
    /// When to act next; nil while only an answer can change the state.
    var deadline: Instant? {
      guard !isLinked || isRelayed else { return nil }
      return attempts.isEmpty || !untried.isEmpty || isSilent ? nextAt : nil
    }
    /// Whether an attempt is running or an address of this round is still to be tried.
    var isTrying: Bool { !attempts.isEmpty || !untried.isEmpty }
    /// The addresses to try in a round.
    var candidates: [Address] { isRelayed ? addresses.filter { !$0.isRelayed } : addresses }

    /// Keeps the problem with the address that is most likely to lead to the node.
    mutating func report(_ new: DialProblem) {
      let known = problem.flatMap { addresses.firstIndex(of: $0.address) } ?? .max
      if addresses.firstIndex(of: new.address) ?? .max <= known { problem = new }
    }

    /// The attempts that make room for another one, while the link is silent.
    var surplus: Set<DialID> {
      guard isSilent, attempts.count >= DialSchedule.maximumConcurrentAttempts else { return [] }
      return attempts.keys.min { $0.number < $1.number }.map { [$0] } ?? []
    }
  }

  private var races: [DialTarget: Race] = [:]
  /// By race number.
  private var deadlines = Deadlines<UInt64>()
  private var targetOfRace: [UInt64: DialTarget] = [:]
  private var running: Set<DialTarget> = []
  private var targets: [DialID: DialTarget] = [:]
  private var lastNumber: UInt64 = 0
  private var budget = DialBudget()
  private var random: any RandomNumberGenerator & Sendable

  /// A schedule whose pauses vary according to `random`, so that nodes do not retry in lockstep.
  package init(random: some RandomNumberGenerator & Sendable) { self.random = random }

  /// Whether any attempt is running or due, so that a peer may appear soon.
  package var isBusy: Bool { !running.isEmpty }

  /// Whether a target that has not failed is being dialed and is likely to answer soon.
  package func isMeeting(at now: Instant) -> Bool {
    running.contains { target in
      guard let race = races[target], race.failures == 0, let begunAt = race.begunAt else { return false }
      return now - begunAt < Self.meetingTime
    }
  }

  /// The wanted targets, in the order in which they were added.
  package var wanted: [DialTarget] { races.sorted { $0.value.number < $1.value.number }.map(\.key) }

  /// The number of wanted targets.
  package var count: Int { races.count }

  /// The number of targets that are dialed once and have not answered or failed.
  package var countDialedOnce: Int { races.keys.count(where: \.isDialedOnce) }

  /// Whether a link to the target is wanted.
  package func wants(_ target: DialTarget) -> Bool { races[target] != nil }

  /// Requests a link to `target` at one of these addresses, most likely first.
  package mutating func want(_ target: DialTarget, at addresses: [Address], now: Instant) {
    guard var race = races[target] else {
      lastNumber += 1
      targetOfRace[lastNumber] = target
      return set(target, Race(number: lastNumber, addresses: addresses, nextAt: now))
    }
    let known = race.addresses
    race.addresses = addresses
    // A new address is a reason to retry immediately, or beside the attempts that are running.
    if known != addresses, !race.isLinked || race.isRelayed {
      if race.attempts.isEmpty || race.isSilent {
        race.untried = []
        race.nextAt = min(race.nextAt, now)
      } else if race.attempts.count + race.untried.count < Self.maximumConcurrentAttempts {
        race.nextAt = race.untried.isEmpty ? now : race.nextAt
        race.untried += race.candidates.filter { !known.contains($0) }
      }
    }
    set(target, race)
  }

  /// Stops requesting a link to `target`; running attempts are cancelled.
  package mutating func forget(_ target: DialTarget) -> [Action] {
    remove(target).map { cancel($0.attempts.keys) } ?? []
  }

  /// A link to the target is up, dialed by either side; running attempts are cancelled.
  package mutating func linked(_ target: DialTarget, except winner: DialID? = nil) -> [Action] {
    guard var race = races[target] else { return [] }
    var losers = race.attempts
    if let winner {
      losers[winner] = nil
      targets[winner] = nil
    }
    race.isLinked = true
    race.isRelayed = false
    race.isSilent = false
    race.problem = nil
    race.attempts = [:]
    race.untried = []
    if target.isDialedOnce { remove(target) } else { set(target, race) }
    return cancel(losers.keys)
  }

  /// Each link to the target that is up leads through a relay: attempts at its own addresses go on.
  package mutating func relayed(_ target: DialTarget, except winner: DialID? = nil, now: Instant) -> [Action] {
    guard var race = races[target] else { return [] }
    if let winner {
      race.attempts[winner] = nil
      targets[winner] = nil
    }
    let losers = race.attempts.filter(\.value.isRelayed).keys
    race.attempts = race.attempts.filter { !$0.value.isRelayed }
    race.untried = race.untried.filter { !$0.isRelayed }[...]
    race.isSilent = false
    if !race.isRelayed {
      race.isRelayed = true
      race.relayedRounds = 0
      if race.isLinked {
        race.nextAt = now + spread(Self.firstPause)
      } else if !race.isTrying, race.begunAt != nil {
        race.nextAt = now + spread(Self.relayedPauses[0])
      }
    }
    race.isLinked = true
    set(target, race)
    return cancel(losers)
  }

  /// Stops the attempts at the addresses of a target that is linked only through relays: it is about to be dialed there
  /// in another way. Further ones follow after a while.
  package mutating func quiet(_ target: DialTarget, now: Instant) -> [Action] {
    guard var race = races[target], race.isRelayed else { return [] }
    let losers = race.attempts.keys
    if race.isTrying { race.relayedRounds += 1 }
    race.attempts = [:]
    race.untried = []
    race.nextAt = max(race.nextAt, now + spread(Self.relayedPauses[0]))
    set(target, race)
    return cancel(losers)
  }

  /// The link to the target is silent: dials the target beside it, immediately and then every second.
  package mutating func silent(_ target: DialTarget, now: Instant) {
    guard var race = races[target], race.isLinked else { return }
    race.isLinked = false
    race.isRelayed = false
    race.isSilent = true
    race.failures = 0
    race.nextAt = now
    set(target, race)
  }

  /// The link to the target ended after `life`. A short one counts as a failure, so that two nodes that cannot agree do
  /// not dial each other every second. If it led through a relay, there may be another one.
  package mutating func lost(_ target: DialTarget, after life: Duration, pause rest: Duration? = nil, now: Instant) {
    guard var race = races[target], race.isLinked || race.isSilent else { return }
    if race.isRelayed, life >= Self.relayLife {
      (race.isLinked, race.isRelayed, race.failures, race.nextAt) = (false, false, 0, now)
      // Beside attempts at its own addresses, which may take long to fail.
      race.untried = race.addresses.filter { $0.isRelayed }[...]
      race.repeatedRelays = 0
      return set(target, race)
    }
    race.isLinked = false
    race.isRelayed = false
    race.isSilent = false
    race.failures = life < Self.shortLife ? race.failures + 1 : 1
    race.nextAt = now + spread(rest ?? pause(after: race.failures))
    set(target, race)
  }

  /// The ID of an attempt that is made on another occasion.
  package mutating func newAttempt() -> DialID {
    lastNumber += 1
    return DialID(number: lastNumber)
  }

  /// The target of an attempt; nil if it was cancelled.
  package func target(of attempt: DialID) -> DialTarget? { targets[attempt] }

  /// How often the target was dialed in vain since its last link.
  package func failures(of target: DialTarget) -> Int { races[target]?.failures ?? 0 }

  /// Why the target cannot be reached; nil if it can be, or was not tried.
  package func problem(with target: DialTarget) -> DialProblem? { races[target]?.problem }

  /// Records that the attempt failed, with a reason for people.
  package mutating func failed(_ attempt: DialID, _ problem: DialProblem? = nil, now: Instant) {
    guard let target = targets.removeValue(forKey: attempt), var race = races[target] else { return }
    if let problem { race.report(problem) }
    let address = race.attempts.removeValue(forKey: attempt)
    if let address, address.isRelayed, !race.isLinked, race.repeatedRelays < Self.relayRepetitions {
      race.repeatedRelays += 1
      if race.untried.isEmpty { race.nextAt = now + spread(Self.firstPause) }
      race.untried.append(address)
    } else if race.attempts.isEmpty, !race.untried.isEmpty {
      race.nextAt = now
    } else if race.attempts.isEmpty, target.isDialedOnce {
      remove(target)
      return
    } else if race.attempts.isEmpty, race.isRelayed {
      race.nextAt = now + spread(Self.relayedPauses[min(race.relayedRounds, Self.relayedPauses.count - 1)])
      race.relayedRounds += 1
    } else if race.attempts.isEmpty, !race.isSilent {
      race.failures += 1
      race.nextAt = now + spread(pause(after: race.failures))
    }
    set(target, race)
  }

  /// When to call `wake` next.
  package var wakeAt: Instant? { deadlines.next }

  /// Whether the stored deadlines match a scan of all targets. Tests check this after each input.
  package var keepsItsDeadlines: Bool {
    deadlines.next == races.values.compactMap(\.deadline).min()
      && races.allSatisfy { deadlines[$0.value.number] == $0.value.deadline && targetOfRace[$0.value.number] == $0.key }
      && running == Set(races.filter(\.value.isRunning).keys) && targetOfRace.count == races.count
  }

  /// Starts the attempts that are due.
  package mutating func wake(now: Instant) -> [Action] {
    var actions: [Action] = []
    for number in deadlines.due(at: now) {
      guard let target = targetOfRace[number], var race = races[target] else { continue }
      guard targets.count < Self.maximumAttempts else {
        race.nextAt = now + Self.headStart
        set(target, race)
        continue
      }
      if race.untried.isEmpty {
        race.untried = race.candidates[...]
        race.repeatedRelays = 0
        race.begunAt = now
      }
      guard let address = race.untried.first else {
        race.nextAt = now + Self.longestPause
        set(target, race)
        continue
      }
      let delay = target.isOwnChoice ? .zero : budget.delay(for: address, at: now)
      guard delay == .zero else {
        race.nextAt = now + delay
        set(target, race)
        continue
      }
      race.untried.removeFirst()
      let surplus = race.surplus
      race.attempts = race.attempts.filter { !surplus.contains($0.key) }
      actions += cancel(surplus)
      lastNumber += 1
      let attempt = DialID(number: lastNumber)
      targets[attempt] = target
      race.attempts[attempt] = address
      race.nextAt = now + (race.isSilent && race.untried.isEmpty ? spread(Self.silentPause) : Self.headStart)
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

  @discardableResult
  private mutating func remove(_ target: DialTarget) -> Race? {
    guard let race = races.removeValue(forKey: target) else { return nil }
    deadlines.clear(race.number)
    targetOfRace[race.number] = nil
    running.remove(target)
    return race
  }

  private mutating func cancel(_ attempts: some Collection<DialID>) -> [Action] {
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

/// Why an attempt to connect failed.
package struct DialProblem: Hashable, Sendable {
  package let address: Address
  /// A sentence, or a part of one.
  package let reason: String

  package init(address: Address, reason: String) {
    self.address = address
    self.reason = reason
  }
}

extension DialTarget {
  /// The node that must answer; nil if any node may.
  package var node: NodeID? { if case .member(let node) = self { node } else { nil } }

  /// Whether this node's owner has named the address, and not another node.
  var isOwnChoice: Bool { if case .bootstrap = self { true } else { false } }

  /// Whether neither a failure nor the end of a link is a reason to dial it again.
  package var isDialedOnce: Bool { if case .nearby = self { true } else { false } }
}

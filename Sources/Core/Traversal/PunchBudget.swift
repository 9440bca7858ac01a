import Primitives

/// What rounds may send to one host, and at all, whatever other nodes claim.
struct PunchBudget: Sendable {
  /// Rounds against one host in these times.
  static let limits: [(rounds: Int, time: Duration)] = [(3, .seconds(10)), (10, .seconds(600))]
  /// Hosts that are remembered; while there are that many, no further one is dialed.
  static let maximumHosts = 4_096
  /// Sessions that take place concurrently.
  static let maximumSessions = 16
  /// Unfinished dials of all rounds together.
  static let maximumDials = 32

  /// When rounds against each host began, oldest first.
  private var rounds: [IPAddress: [Instant]] = [:]
  /// The dials of each running round.
  private var dials: [NodeID: Int] = [:]
  /// Since when hosts whose rounds are all over are remembered.
  private var prunedAt: Instant?

  /// The endpoints to dial and to probe in a round with this node, which begins now; nil if each of them is over a limit.
  ///
  /// A round without endpoints is always admitted: it waits for the other node's connections.
  mutating func admit(_ wanted: PunchTargets, for peer: NodeID, at now: Instant) -> PunchTargets? {
    prune(at: now)
    ended(peer)
    let used = dials.values.reduce(0, +)
    let hosts = wanted.hosts.filter { isFree($0, at: now) }
    let isAdmitted: (Endpoint) -> Bool = { IPAddress($0.host).map(hosts.contains) ?? false }
    var admitted = wanted
    admitted.tcp = Array(wanted.tcp.filter(isAdmitted).prefix(Self.maximumDials - used))
    admitted.udp = wanted.udp.filter(isAdmitted)
    if let host = wanted.guess?.host, !hosts.contains(host) { admitted.guess = nil }
    let admittedHosts = admitted.hosts
    guard wanted.hosts.isEmpty || !admittedHosts.isEmpty else { return nil }
    // in any order: each host has its own list
    for host in admittedHosts { rounds[host, default: []].append(now) }
    dials[peer] = admitted.tcp.count
    return admitted
  }

  /// Those of the endpoints whose hosts may be sent to now.
  func free(_ endpoints: [Endpoint], at now: Instant) -> [Endpoint] {
    endpoints.filter { endpoint in IPAddress(endpoint.host).map { isFree($0, at: now) } ?? false }
  }

  /// The round with this node is over.
  mutating func ended(_ peer: NodeID) { dials[peer] = nil }

  private func isFree(_ host: IPAddress, at now: Instant) -> Bool {
    guard let begun = rounds[host] else { return rounds.count < Self.maximumHosts }
    return Self.limits.allSatisfy { limit in begun.count { now - $0 < limit.time } < limit.rounds }
  }

  /// Forgets rounds that no longer count, now and then.
  private mutating func prune(at now: Instant) {
    let longest = Self.limits.map(\.time).max() ?? .zero
    guard prunedAt.map({ now - $0 >= .seconds(10) }) ?? true else { return }
    prunedAt = now
    rounds = rounds.mapValues { $0.filter { now - $0 < longest } }.filter { !$0.value.isEmpty }
  }
}

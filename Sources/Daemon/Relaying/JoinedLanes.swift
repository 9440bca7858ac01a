import Crypto
import Links
import Primitives
import Wire

/// Joins the connections of other nodes: two that show the same token become a lane of a relayed link. Bound to the loop.
///
///     granted ──both connections show the token──▶ joined ──either ends──▶ over
///        └──────────10 s, or an end──────────────────────────────────────▶ over
///
/// This node sees ciphertext only: the two nodes prove their IDs to each other inside.
final class JoinedLanes {
  /// How long a token is good for.
  static let tokenTime: Duration = .seconds(10)
  /// How long nothing may pass, or a node take nothing of what waits for it.
  static let stallTime: Duration = .seconds(30)
  /// How often it is checked.
  private static let stallPeriod: Duration = .seconds(10)

  /// Passes the bytes of each of two connections on to the other; without it, none are joined. They are closed if it fails.
  var splice: (any LaneHalf, any LaneHalf) throws(KacheryError) -> any LaneSplice = {
    (one, other) throws(KacheryError) in
    one.close()
    other.close()
    throw KacheryError(.internalError, "This node joins no connections.")
  }

  private struct Granted {
    let pair: NodePair
    let opener: NodeID
    var halves: [LaneRole: any LaneHalf] = [:]
  }

  private let turns: RelayTurns
  private let clock: RelayClock
  private let metrics: RelayMetrics
  private let makeToken: () -> LaneToken?
  private var quotas = LaneQuotas()
  private var granted: [LaneToken: Granted] = [:]
  private var joined: [UInt64: JoinedLane] = [:]
  private var lastLane: UInt64 = 0
  private var isCheckDue = false

  /// - Parameter makeToken: makes a token that no node can guess.
  init(
    turns: RelayTurns, clock: RelayClock, metrics: RelayMetrics,
    makeToken: @escaping () -> LaneToken? = { LaneToken(bytes: SecureRandom.bytes(LaneToken.byteCount)) }
  ) {
    self.turns = turns
    self.clock = clock
    self.metrics = metrics
    self.makeToken = makeToken
  }

  /// Lanes that are joined.
  var count: Int { joined.count }
  /// Lanes that still wait for a connection.
  var waitingCount: Int { granted.count }
  /// Whether nothing is left of any lane.
  var isIdle: Bool { quotas.isEmpty && granted.isEmpty && joined.isEmpty }

  // MARK: Tokens

  /// Whether the opener may have another lane to the other node.
  func admits(_ pair: NodePair, by opener: NodeID) -> Bool { quotas.admits(pair, by: opener) }

  /// A token for one lane between the two nodes; nil if they, or this node, have too many.
  func grant(_ pair: NodePair, to opener: NodeID) -> LaneToken? {
    guard let token = makeToken(), granted[token] == nil, quotas.open(pair, by: opener) else { return nil }
    granted[token] = Granted(pair: pair, opener: opener)
    metrics.waitingLanes.add()
    // Tokens do not repeat, so this one is gone or still the same.
    clock.after(Self.tokenTime) { [weak self] in self?.expire(token) }
    return token
  }

  private func expire(_ token: LaneToken) {
    guard let lane = endWaiting(token) else { return }
    quotas.close(lane.pair)
    for half in lane.halves.values { half.close() }
  }

  private func endWaiting(_ token: LaneToken) -> Granted? {
    guard let lane = granted.removeValue(forKey: token) else { return nil }
    quotas.endWaiting(by: lane.opener)
    metrics.waitingLanes.add(-1)
    for half in lane.halves.values { half.onEnd = nil }
    return lane
  }

  // MARK: Connections

  /// A connection has shown a token.
  func add(_ half: any LaneHalf) {
    let (token, role) = (half.preamble.token, half.preamble.role)
    guard let lane = granted[token], lane.halves[role] == nil else { return half.close() }
    guard let other = lane.halves.values.first else {
      let ofAddress = granted.values.count { $0.halves.values.contains { $0.host == half.host } }
      guard ofAddress < LaneQuotas.waitingPerAddress else { return half.close() }
      granted[token]?.halves[role] = half
      // It has to wait for an answer, so it can only end.
      half.onEnd = { [weak self] in self?.expire(token) }
      return
    }
    _ = endWaiting(token)
    join(role == .opener ? half : other, role == .opener ? other : half, lane.pair)
  }

  private func join(_ opener: any LaneHalf, _ target: any LaneHalf, _ pair: NodePair) {
    do throws(KacheryError) {
      let splice = try splice(opener, target)
      lastLane += 1
      let id = lastLane
      joined[id] = JoinedLane(splice, of: pair, turns: turns, clock: clock) { [metrics] in
        metrics.laneBytes.add($0)
      } onEnd: { [weak self] in
        self?.ended(id)
      }
      metrics.lanes.add()
      scheduleCheck()
    } catch {
      // There are no descriptors left; the two nodes go on with what they have.
      quotas.close(pair)
    }
  }

  private func ended(_ id: UInt64) {
    guard let lane = joined.removeValue(forKey: id) else { return }
    quotas.close(lane.pair)
    metrics.lanes.add(-1)
  }

  // MARK: The end

  private func scheduleCheck() {
    guard !isCheckDue, !joined.isEmpty else { return }
    isCheckDue = true
    clock.after(Self.stallPeriod) { [weak self] in
      guard let self else { return }
      isCheckDue = false
      for lane in joined.sorted(by: { $0.key < $1.key }) { lane.value.endIfStalled(for: Self.stallTime) }
      scheduleCheck()
    }
  }

  /// Breaks every lane.
  func stop() {
    for token in Array(granted.keys) { expire(token) }
    for lane in Array(joined.values) { lane.close() }
  }
}

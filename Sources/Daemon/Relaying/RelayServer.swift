import Discovery
import Links
import Primitives
import Wire

/// Relays the links of other nodes: connects a stream of one node to a stream of another, and connections for bulk data
/// (`JoinedLanes`), within limits. Bound to the loop.
///
/// The relay sees ciphertext only: the two nodes prove their IDs to each other inside the stream.
final class RelayServer {
  /// How long the opener may take to send its request, and the target to answer.
  static let answerTime: Duration = .seconds(10)
  /// How long a node may take none of the bytes that wait for it, or send none after the other one has finished.
  static let stallTime: Duration = .seconds(30)
  /// Bytes per second that pass in all links together of channels in which this node relays messages only: messages take
  /// much less, and a file that comes this way is no burden.
  static let messageRate = 1_000_000.0
  /// How often it is checked whether a node takes its bytes.
  private static let stallPeriod: Duration = .seconds(10)

  /// Whether the node at the other end of this link may have a way to that node over this channel. The answer for a node
  /// that is not linked, or does not exist, must be the one for a node that is linked and has not named the channel.
  var permits: (_ opener: LinkID, _ target: NodeID, _ topic: Topic) -> RelayStatus = { _, _, _ in .doesNotRelay }
  /// What this node passes on over a channel, if it relays there.
  var traffic: (Topic) -> RelayedTraffic = { _ in .everything }
  /// The link to a node; nil if it has none.
  var linkOf: (NodeID) -> RelayLink? = { _ in nil }

  /// The lanes of relayed links.
  let lanes: JoinedLanes

  private let clock: RelayClock
  private let metrics: RelayMetrics
  private let turns: RelayTurns
  /// The same for links of channels in which this node relays messages only.
  private let messageTurns: RelayTurns
  private let pool = RelayPool()
  private var quotas = RelayQuotas()
  private var relays: [UInt64: Relay] = [:]
  private var deadlines = Deadlines<UInt64>()
  private var wakeAt: Instant?
  private var refusals: [RelayStatus: Int] = [:]
  private var lastID: UInt64 = 0

  /// - Parameter limit: the rate of all relaying together.
  init(limit: RateLimit, clock: RelayClock, metrics: RelayMetrics = RelayMetrics()) {
    self.clock = clock
    self.metrics = metrics
    let rate = RelayRate { limit.rate }
    turns = RelayTurns(rates: [rate], clock: clock, metrics: metrics)
    messageTurns = RelayTurns(
      rates: [rate, RelayRate { Self.messageRate }], clock: clock, metrics: metrics)
    lanes = JoinedLanes(turns: turns, clock: clock, metrics: metrics)
  }

  /// What the relay does and has done.
  var counts: RelayCounts {
    RelayCounts(
      streams: relays.values.count { $0.isOpen }, pairs: quotas.pairCount, bytes: UInt64(metrics.bytes.current),
      refusals: refusals, lanes: lanes.count, waitingLanes: lanes.waitingCount)
  }
  /// Streams, also those that are not open yet.
  var streamCount: Int { relays.count }
  /// Whether nothing is left of any stream.
  var isIdle: Bool { relays.isEmpty && quotas.isEmpty && deadlines.isEmpty && pool.used == 0 && lanes.isIdle }
  /// Bytes that wait in all streams.
  var waitingBytes: Int { relays.values.reduce(0) { $0 + $1.waitingBytes } }
  /// Bytes of the pool of windows in use.
  var pooledBytes: Int { pool.used }
  /// The sizes of the windows of all streams, in the order in which they were opened.
  var windows: [[Int]] { relays.keys.sorted().compactMap { relays[$0]?.windows } }

  /// A peer has opened a stream of kind `relay`.
  ///
  /// - Parameter first: the bytes after the stream's kind that have arrived, which no longer count against the window.
  func serve(_ stream: any ByteStream, first: [UInt8], from opener: RelayLink) {
    guard quotas.open(by: opener.node, at: clock.now()) else {
      count(.limitReached)
      return stream.refuse(.limitReached)
    }
    lastID += 1
    let id = lastID
    let relay = Relay(id: id, opener: opener, stream: stream) { [weak self] in self?.handle($0, of: id) }
    relays[id] = relay
    deadlines.set(id, clock.now() + Self.answerTime)
    relay.start(with: first)
    arm()
  }

  /// Gives up every stream and every lane.
  func stop() {
    for id in relays.keys.sorted() { relays[id]?.giveUp() }
    lanes.stop()
  }

  private func count(_ refusal: RelayStatus) {
    refusals[refusal, default: 0] += 1
    metrics.refusals.add()
  }

  private func handle(_ event: Relay.Event, of id: UInt64) {
    guard let relay = relays[id] else { return }
    switch event {
    case .asked(let request): connect(relay, request)
    case .agreed: sendToken(relay)
    case .granted:
      metrics.streams.add()
      if let target = relay.target { quotas.answered(by: target.node) }
      deadlines.set(id, clock.now() + Self.stallPeriod)
    case .refused(let status): count(status)
    case .waits:
      guard relay.isOpen, deadlines[id] == nil else { return }
      deadlines.set(id, clock.now() + Self.stallPeriod)
      arm()
    case .ended: forget(relay)
    }
  }

  private func connect(_ relay: Relay, _ request: RelayRequest) {
    let opener = relay.opener
    let isLane = request.use == RelayFrame.lane
    guard isLane || request.use == RelayFrame.link else { return relay.refuse(.doesNotRelay) }
    guard request.target != opener.node else { return relay.refuse(.notPermitted) }
    let status = permits(opener.id, request.target, request.topic)
    // Without permission the opener learns neither whether the target is linked nor what it uses of the relay.
    guard status == .granted else { return relay.refuse(status) }
    guard let target = linkOf(request.target) else { return relay.refuse(.notLinked) }
    let pair = NodePair(opener.node, target.node)
    deadlines.set(relay.id, clock.now() + Self.answerTime)
    guard isLane else {
      guard quotas.connect(pair, to: target.node) else { return relay.refuse(.limitReached) }
      let turns = traffic(request.topic) == .everything ? turns : messageTurns
      return relay.connect(to: target, for: request, in: turns, pool: pool, clock: clock)
    }
    guard traffic(request.topic) == .everything else { return relay.refuse(.doesNotRelay) }
    guard lanes.admits(pair, by: opener.node), quotas.ask(target.node) else { return relay.refuse(.limitReached) }
    relay.askForLane(to: target, for: request)
  }

  private func sendToken(_ relay: Relay) {
    guard let target = relay.target else { return }
    let pair = NodePair(relay.opener.node, target.node)
    // Others may have got theirs while the target was asked.
    guard let token = lanes.grant(pair, to: relay.opener.node) else { return relay.refuse(.limitReached) }
    relay.send(token)
  }

  private func forget(_ relay: Relay) {
    relays[relay.id] = nil
    deadlines.clear(relay.id)
    quotas.close(by: relay.opener.node)
    guard let target = relay.target else { return }
    if relay.isGranted { metrics.streams.add(-1) } else { quotas.answered(by: target.node) }
    guard !relay.isForLane else { return }
    quotas.disconnect(NodePair(relay.opener.node, target.node), from: target.node)
  }

  // MARK: Deadlines

  private func arm() {
    guard let next = deadlines.next, wakeAt.map({ next < $0 }) ?? true else { return }
    wakeAt = next
    clock.after(next - clock.now()) { [weak self] in self?.wake(next) }
  }

  private func wake(_ due: Instant) {
    // An earlier one may have been armed since.
    if wakeAt == due { wakeAt = nil }
    let now = clock.now()
    for id in deadlines.due(at: now) {
      deadlines.clear(id)
      guard let relay = relays[id] else { continue }
      if relay.isAsking {
        relay.refuse(.refused)
      } else if relay.isOpen {
        checkStall(of: relay, at: now)
      } else {
        relay.giveUp()
      }
    }
    arm()
  }

  private func checkStall(of relay: Relay, at now: Instant) {
    guard let deadline = relay.stallDeadline(Self.stallTime, at: now) else { return }
    guard deadline > now else { return relay.giveUp() }
    deadlines.set(relay.id, min(deadline, now + Self.stallPeriod))
  }
}

/// What a relay does and has done.
struct RelayCounts: Equatable, Sendable {
  /// Streams that carry links.
  var streams: Int
  /// Pairs of nodes with streams between them, also those that are not open yet.
  var pairs: Int
  /// Bytes passed on, in both directions together.
  var bytes: UInt64
  /// Refused requests by their status.
  var refusals: [RelayStatus: Int]
  /// Lanes that are joined.
  var lanes = 0
  /// Lanes that still wait for a connection.
  var waitingLanes = 0
}

import EventLoop
import Primitives

/// Decides when a link pings its peer, when its path counts as silent, and when its peer counts as gone. A value without
/// I/O.
///
///     idle ──something waits for the peer──▶ watched ──an answer is overdue──▶ silent ──12 s without a byte──▶ gone
///       ▲                                     │   ▲                              │
///       └─────────nothing waits anymore───────┘   └─────────it arrives───────────┘
///
/// Any byte that arrives is an answer, because TCP lets no peer send for longer than a round trip without hearing from
/// this side. So a peer that has nothing to send, and answers pings, is not silent. Time in which this process did not
/// run does not count, since it could hear nothing.
struct LinkClock: Sendable {
  /// The time between two pings, and between two checks, of an idle link.
  static let pingPeriod: Duration = .seconds(3)
  /// The time between two checks of a watched link.
  static let watchPeriod: Duration = .milliseconds(250)
  /// The time between two pings of a watched link.
  static let watchedPingPeriod: Duration = .seconds(1)
  /// How long the peer may send nothing before it counts as gone. A check notices it 3 s later at most: within 15 s.
  static let silence: Duration = .seconds(12)
  /// The range of times in which a peer must answer; within it, the limit is four round trips.
  private static let answerTimes = Duration.seconds(1)...Duration.seconds(3)
  /// Timeouts of the kernel without progress after which bytes count as stuck.
  private static let leastTimeouts = 2
  /// With more unacknowledged bytes than this, a ping may have to wait behind them.
  private static let leastBulk = 16 << 10

  /// The state of the link at a check.
  struct Observation: Sendable {
    var now: Instant
    /// When bytes last arrived from the peer.
    var heardAt: Instant
    /// Whether something waits for the peer.
    var isAwaited: Bool
    /// The round trip time while nothing is queued; nil if unknown.
    var roundTripTime: Duration?
    /// What the peer's side has acknowledged; nil if the path does not report it.
    var delivery: DeliveryState?
  }

  /// The consequences of a check.
  struct Step: Hashable, Sendable {
    var isPingDue = false
    /// True if the path has become silent, false if it is no longer silent, nil if that has not changed.
    var silence: Bool?
    /// Whether small packets pass the silent path and large ones get lost.
    var losesLargePackets = false
    /// How long the peer has sent nothing, if it counts as gone.
    var gone: Duration?
  }

  /// Whether an answer is overdue.
  private(set) var isSilent = false
  private(set) var isWatched = false
  private var checkedAt: Instant
  private var heardAt: Instant
  /// Time without a byte from the peer.
  private var quiet: Duration = .zero
  /// The part of it in which something waited for the peer and nothing showed that the path works.
  private var late: Duration = .zero
  private var sincePing: Duration = .zero
  /// Time since the first ping that was not followed by an answer.
  private var unanswered: Duration?
  /// Time in which bytes waited and none was acknowledged.
  private var stalled: Duration = .zero
  /// The bytes acknowledged at the last check; nil if it did not ask.
  private var acknowledged: UInt64?
  /// The bytes acknowledged by the middle of the silence.
  private var acknowledgedMidway: UInt64?

  /// The clock of a link that opens now.
  init(at now: Instant) {
    (checkedAt, heardAt) = (now, now)
  }

  /// Whether the next check should report what the peer's side has acknowledged.
  var needsDelivery: Bool { isSilent || late >= Self.watchPeriod * 2 }

  /// When to check the next time.
  var period: Duration { isWatched ? Self.watchPeriod : Self.pingPeriod }

  /// Something may wait for the peer from now on.
  mutating func watch(at now: Instant) {
    guard !isWatched else { return }
    let elapsed = max(.zero, now - checkedAt)
    quiet += elapsed
    sincePing += elapsed
    checkedAt = max(now, checkedAt)
    isWatched = true
  }

  /// Looks for signs of life; called once a period.
  mutating func check(_ seen: Observation) -> Step {
    let elapsed = max(.zero, seen.now - checkedAt)
    checkedAt = max(seen.now, checkedAt)
    let hasHeard = seen.heardAt > heardAt
    heardAt = max(seen.heardAt, heardAt)
    let heardAgo = max(.zero, seen.now - heardAt)
    // A busy process reads late, so a late check counts as one period; one that was suspended has read nothing.
    let counted = elapsed > period * 2 ? period : elapsed
    let isSuspended = elapsed - period > Self.pingPeriod
    quiet = hasHeard ? min(counted, heardAgo) : quiet + (isSuspended ? period : elapsed)
    sincePing += elapsed
    observe(seen, hasHeard: hasHeard, counted: counted)
    var step = Step()
    if quiet >= Self.silence { step.gone = quiet }
    judge(seen, hasHeard: hasHeard, &step)
    isWatched = seen.isAwaited || isSilent
    step.isPingDue = isPingDue()
    return step
  }

  private mutating func observe(_ seen: Observation, hasHeard: Bool, counted: Duration) {
    var moves = false
    let before = acknowledged
    acknowledged = seen.delivery?.acknowledged
    if let delivery = seen.delivery, let before {
      let advances = delivery.acknowledged > before
      stalled = advances || delivery.unacknowledged == 0 ? .zero : stalled + counted
      // A ping behind bulk data can only be answered once the data has arrived.
      moves = advances && delivery.unacknowledged > Self.leastBulk
    } else {
      stalled = .zero
    }
    if hasHeard {
      unanswered = nil
    } else if let waiting = unanswered {
      unanswered = waiting + counted
    }
    guard seen.isAwaited, !moves else {
      late = .zero
      acknowledgedMidway = nil
      return
    }
    late = hasHeard ? quiet : late + counted
    if hasHeard { acknowledgedMidway = nil }
  }

  private mutating func judge(_ seen: Observation, hasHeard: Bool, _ step: inout Step) {
    let limit = min(max((seen.roundTripTime ?? .zero) * 4, Self.answerTimes.lowerBound), Self.answerTimes.upperBound)
    let isOverdue = late >= limit * 2 && (unanswered ?? .zero) >= limit
    let isStuck = stalled >= limit * 2 && (seen.delivery?.timeouts ?? 0) >= Self.leastTimeouts
    if isSilent {
      guard hasHeard, stalled == .zero else { return }
      isSilent = false
      step.silence = false
    } else if seen.isAwaited, isOverdue || isStuck {
      isSilent = true
      step.silence = true
      // Either the peer is heard while bytes to it are stuck, or it acknowledges pings and its answers are stuck.
      step.losesLargePackets = isStuck ? quiet < stalled : hasAdvancedSinceMidway
    } else if late >= limit, acknowledgedMidway == nil {
      acknowledgedMidway = acknowledged
    }
  }

  private var hasAdvancedSinceMidway: Bool {
    guard let acknowledged, let acknowledgedMidway else { return false }
    return acknowledged > acknowledgedMidway
  }

  private mutating func isPingDue() -> Bool {
    // Half a check early is better than a whole one late.
    let isDue = sincePing + Self.watchPeriod / 2 >= (isWatched ? Self.watchedPingPeriod : Self.pingPeriod)
    guard isDue else { return false }
    sincePing = .zero
    unanswered = unanswered ?? .zero
    return true
  }
}

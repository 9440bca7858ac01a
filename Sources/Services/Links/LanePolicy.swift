import Primitives

/// Decides how many lanes a link has: opens more as long as that makes transfers faster. A value without I/O.
///
///     idle ──long path, much to fetch──▶ opening ──all up, bytes arrive──▶ measuring ──faster──▶ opening, twice as many
///                                                                 └──not faster──▶ settled, surplus closed
///     settled ──slower, or after a while──▶ measuring
///        └──after 2 s──▶ reducing: half of them closed ──slower──▶ opening, as many as before
///                                                     └──not slower──▶ settled
///
/// One TCP connection carries at most its window in a round trip, and each loss slows all of it. Several connections share a
/// loss, and their windows add up.
struct LanePolicy: Sendable {
  /// One connection fills a path with a shorter round trip.
  static let longRoundTrip: Duration = .milliseconds(5)
  /// Lanes pay off if at least this many bytes are left.
  static let leastBytes: UInt64 = 16 << 20
  /// A first lane that is better than the link itself pays off if at least this many bytes are left.
  static let leastBytesOfCheap: UInt64 = 2 << 20
  /// At first, one lane opens per this much round-trip time: a connection starts with a few packets per round trip, so on a
  /// longer path it takes longer to reach its rate.
  private static let roundTripPerLane: Duration = .milliseconds(6)
  static let first = 2
  static let most = 16
  /// The policy opens more than this number only if the last ones raised the rate a lot, as on lines that lose packets.
  private static let usual = 8
  /// The rate must rise by this factor for a larger number of lanes to be kept.
  private static let gain = 1.1
  private static let largeGain = 1.5
  /// The policy measures again if the rate falls below this fraction of the settled one.
  private static let loss = 0.8
  private static let retryTime: Duration = .seconds(30)
  /// Round trips that a comparison of rates takes: fewer see a connection's congestion control at work, not the line.
  private static let measuredRoundTrips = 10
  /// How long the policy keeps a number of lanes before it tries half of them, and how long it then measures.
  private static let reducingTime: Duration = .seconds(2)
  /// How long lanes may take to open; after that, the policy measures those that did.
  private static let openingTime: Duration = .seconds(2)

  /// The current state of the link and its transfers.
  struct Observation: Sendable {
    var now: Instant
    var roundTripTime: Duration?
    /// Bytes that the transfers still need.
    var bytesLeft: UInt64
    /// Bytes that have arrived in all.
    var bytesArrived: UInt64
    /// Lanes that are up.
    var lanes: Int
    /// Lanes that are being opened.
    var opening: Int
  }

  enum Step: Hashable, Sendable {
    case none
    case open(Int)
    /// Closes the newest lanes.
    case close(Int)
  }

  private enum Phase {
    case idle
    case opening(since: Instant, bytes: UInt64)
    case measuring(since: Instant, bytes: UInt64)
    case settled(Rest)
    /// Half of the lanes are closed; `rate` is the rate with all of them.
    case reducing(from: Int, rate: Double, since: Instant, bytes: UInt64)
  }

  /// A number of lanes that is kept for now.
  private struct Rest {
    let since: Instant
    var rate: Double
    var measuredAt: Instant
    var bytes: UInt64
  }

  private var phase = Phase.idle
  /// The number of lanes that was the fastest so far, and its rate in bytes per second.
  private var best: (lanes: Int, rate: Double)?
  /// The number below which the rate is known to fall, and since when.
  private var floor: (lanes: Int, since: Instant)?

  private let isFirstCheap: Bool

  /// - Parameter isFirstCheap: whether one lane carries more than the link itself, on any path.
  init(isFirstCheap: Bool = false) { self.isFirstCheap = isFirstCheap }

  /// The next step.
  mutating func next(_ seen: Observation) -> Step {
    let step = nextByRate(seen)
    guard step == .none, isFirstCheap, seen.lanes + seen.opening == 0, seen.bytesLeft >= Self.leastBytesOfCheap else {
      return step
    }
    return .open(1)
  }

  private mutating func nextByRate(_ seen: Observation) -> Step {
    guard let roundTripTime = seen.roundTripTime, roundTripTime >= Self.longRoundTrip, seen.bytesLeft > 0 else {
      phase = .idle
      return .none
    }
    switch phase {
    case .idle:
      guard seen.bytesLeft >= Self.leastBytes else { return .none }
      best = nil
      let wanted = Int(roundTripTime.inSeconds / Self.roundTripPerLane.inSeconds)
      return grow(to: min(max(Self.first, wanted), Self.usual), seen)
    case .opening(let since, let bytes):
      // A transfer that has only been announced says nothing about the lanes.
      guard seen.bytesArrived > bytes, seen.opening == 0 || seen.now - since >= Self.openingTime else { return .none }
      phase = .measuring(since: seen.now, bytes: seen.bytesArrived)
      return .none
    case .measuring(let since, let bytes):
      guard seen.now - since >= interval(roundTripTime, lanes: seen.lanes) else { return .none }
      return measured(Self.rate(seen, since, bytes), seen)
    case .settled(let rest):
      return rested(rest, roundTripTime, seen)
    case .reducing(let lanes, let rate, let since, let bytes):
      guard seen.now - since >= max(Self.reducingTime, comparing(roundTripTime)) else { return .none }
      let current = Self.rate(seen, since, bytes)
      guard current * Self.gain < rate else {
        settle(at: max(rate, current), seen)
        return .none
      }
      floor = (lanes, seen.now)
      best = (lanes, rate)
      return grow(to: current * Self.largeGain < rate ? min(2 * lanes, Self.most) : lanes, seen)
    }
  }

  private mutating func rested(_ rest: Rest, _ roundTripTime: Duration, _ seen: Observation) -> Step {
    guard seen.now - rest.measuredAt >= comparing(roundTripTime) else { return .none }
    let current = Self.rate(seen, rest.measuredAt, rest.bytes)
    guard current >= Self.loss * rest.rate, seen.now - rest.since < Self.retryTime else {
      best = nil
      floor = nil
      phase = .measuring(since: seen.now, bytes: seen.bytesArrived)
      return .none
    }
    let isFloor = floor.map { $0.lanes >= seen.lanes && seen.now - $0.since < Self.retryTime } ?? false
    if seen.lanes > 1, !isFloor, seen.now - rest.since >= Self.reducingTime {
      // Against the best so far, or several small losses would add up unnoticed.
      phase = .reducing(
        from: seen.lanes, rate: max(rest.rate, current), since: seen.now, bytes: seen.bytesArrived)
      return .close(seen.lanes / 2)
    }
    phase = .settled(
      Rest(since: rest.since, rate: max(rest.rate, current), measuredAt: seen.now, bytes: seen.bytesArrived))
    return .none
  }

  private mutating func measured(_ rate: Double, _ seen: Observation) -> Step {
    if let best, rate < Self.gain * best.rate {
      settle(at: max(rate, best.rate), seen)
      return seen.lanes > best.lanes ? .close(seen.lanes - best.lanes) : .none
    }
    let hasGainedMuch = best.map { rate >= Self.largeGain * $0.rate } ?? false
    best = (seen.lanes, rate)
    let most = hasGainedMuch ? Self.most : Self.usual
    guard seen.lanes < most, seen.bytesLeft >= Self.leastBytes else {
      settle(at: rate, seen)
      return .none
    }
    return grow(to: min(2 * max(1, seen.lanes), most), seen)
  }

  private mutating func grow(to count: Int, _ seen: Observation) -> Step {
    phase = .opening(since: seen.now, bytes: seen.bytesArrived)
    let missing = count - seen.lanes - seen.opening
    return missing > 0 ? .open(missing) : .none
  }

  private mutating func settle(at rate: Double, _ seen: Observation) {
    phase = .settled(Rest(since: seen.now, rate: rate, measuredAt: seen.now, bytes: seen.bytesArrived))
  }

  /// How long to measure: a few round trips, and longer before many lanes are opened, when the first have reached their rate.
  private func interval(_ roundTripTime: Duration, lanes: Int) -> Duration {
    lanes < Self.usual ? max(.milliseconds(200), roundTripTime * 3) : comparing(roundTripTime)
  }

  /// How long rates must be measured for a comparison.
  private func comparing(_ roundTripTime: Duration) -> Duration {
    max(.seconds(1), roundTripTime * Self.measuredRoundTrips)
  }

  private static func rate(_ seen: Observation, _ since: Instant, _ bytes: UInt64) -> Double {
    Double(seen.bytesArrived - bytes) / max(0.001, (seen.now - since).inSeconds)
  }
}

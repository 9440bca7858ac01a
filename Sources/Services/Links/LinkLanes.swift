package import EventLoop
import Primitives

/// The additional links to a node that carry only bulk data. They are opened as long as they make transfers faster, and
/// closed when idle. Bound to the loop.
package final class LinkLanes: Lanes {
  /// The most lanes that a link may have.
  package static let limit = 2 * LanePolicy.most
  /// How often the transfers are measured.
  private static let period: Duration = .milliseconds(100)
  /// How long a lane without streams stays open.
  private static let idleTime: Duration = .seconds(10)
  /// How long the first lanes may take to reach their rate.
  private static let startingTime: Duration = .seconds(1)
  /// How long requested lanes may take to open.
  private static let openingTime: Duration = .seconds(10)

  /// Called to open this number of lanes. The owner reports each by `add` or `failed`; a lane that is not reported
  /// within 10 s counts as failed.
  package var onWanted: ((Int) -> Void)?

  private struct Entry {
    let link: Link
    /// Whether it accepts no more streams and closes when the last has ended.
    var isDraining = false
    var idleSince: Instant?
  }

  private let main: Link
  private let loop: EventLoop
  private var lanes: [LaneID: Entry] = [:]
  /// The value of `usable`; nil after a change.
  private var knownUsable: [Lane]?
  private var lastLane: UInt64 = 0
  private var opening = 0
  private var wantedAt: Instant?
  /// Until then the link itself carries bulk data too, because its first lanes have not reached their rate.
  private var linkIsLaneUntil: Instant?
  private var users: [ObjectIdentifier: any LaneUser] = [:]
  private var arrivedBytes: UInt64 = 0
  /// What the lanes carried that have closed.
  private var earlierTraffic = LinkTraffic()
  private var policy: LanePolicy
  private let areCheap: Bool
  private var timer: Timer?

  /// The lanes beside `main`.
  ///
  /// - Parameter areCheap: whether a lane carries bulk data better than the link also on a short path: the lanes of a
  ///   relayed link, which encrypts everything twice.
  package init(of main: Link, loop: EventLoop, areCheap: Bool = false) {
    self.areCheap = areCheap
    policy = LanePolicy(isFirstCheap: areCheap)
    self.main = main
    self.loop = loop
  }

  package var roundTripTime: Duration? { main.roundTripTime }

  /// Lanes that are up.
  package var count: Int { lanes.count }

  /// What the lanes have carried, including those that have closed.
  package var traffic: LinkTraffic { lanes.values.reduce(earlierTraffic) { $0 + $1.link.traffic } }

  /// Whether transfers use lanes, of this node or of the peer.
  package var areInUse: Bool { !users.isEmpty || lanes.values.contains { $0.link.openStreams > 0 } }

  package var usable: [Lane] {
    if let known = knownUsable { return known }
    let open = lanes.filter { !$0.value.isDraining && !$0.value.link.isSilent }.sorted { $0.key < $1.key }.map {
      lane($0.key, $0.value.link)
    }
    let usable = open.isEmpty || linkIsLaneUntil != nil ? [lane(.link, main)] + open : open
    knownUsable = usable
    return usable
  }

  private func lane(_ id: LaneID, _ link: Link) -> Lane { Lane(id: id) { link.openStream(window: $0) } }

  // MARK: Transfers

  /// Adds a transfer, for which more lanes may open.
  package func join(_ user: any LaneUser) {
    users[ObjectIdentifier(user)] = user
    if timer == nil { timer = loop.after(.zero, repeating: Self.period) { [weak self] in self?.tick() } }
  }

  /// Removes a transfer. Idempotent.
  package func leave(_ user: any LaneUser) { users[ObjectIdentifier(user)] = nil }

  /// Counts bytes of a transfer that have arrived, over any lane.
  package func arrived(_ count: Int) { arrivedBytes += UInt64(count) }

  // MARK: Opening and closing

  /// Adds a lane that this node or the peer has opened. The caller sets the link's `onStream` in the same turn of the loop.
  ///
  /// - Returns: its ID; nil if there are as many as a link may have, and the caller closes it.
  package func add(_ link: Link) -> LaneID? {
    failed(1)
    guard lanes.count < Self.limit else { return nil }
    if lanes.isEmpty, !(areCheap && isShort) { linkIsLaneUntil = loop.now + Self.startingTime }
    lastLane += 1
    let id = LaneID(number: lastLane)
    lanes[id] = Entry(link: link)
    link.onClose = { [weak self] _ in self?.closed(id) }
    link.onSilence = { [weak self] _ in self?.changed() }
    link.preferThroughput()
    changed()
    if timer == nil {
      timer = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.tick() }
    }
    return id
  }

  /// Reports that this number of requested lanes did not open.
  package func failed(_ count: Int) { opening = max(0, opening - count) }

  /// Whether a connection reaches its rate immediately.
  private var isShort: Bool { roundTripTime.map { $0 < LanePolicy.longRoundTrip } ?? false }

  private func closed(_ id: LaneID) {
    if let lane = lanes.removeValue(forKey: id) { earlierTraffic = earlierTraffic + lane.link.traffic.ended }
    changed()
  }

  private func changed() {
    knownUsable = nil
    for user in users.values { user.lanesChanged() }
  }

  /// Closes every lane. The link itself is the caller's.
  package func close() {
    timer?.cancel()
    timer = nil
    users = [:]
    onWanted = nil
    for entry in lanes.values { entry.link.close() }
  }

  private func tick() { check(at: loop.now) }

  /// Opens, closes and retires lanes as the time and the transfers require.
  func check(at now: Instant) {
    closeIdle(at: now)
    // The link shows whether the path works.
    if areInUse { main.watch() }
    giveUpSilent()
    if let until = linkIsLaneUntil, now >= until {
      linkIsLaneUntil = nil
      changed()
    }
    if let wantedAt, now - wantedAt > Self.openingTime { opening = 0 }
    defer { stopIfUnused() }
    guard !main.isSilent else { return }
    let left = users.values.reduce(0) { $0 &+ $1.bytesLeft }
    let step = policy.next(
      LanePolicy.Observation(
        now: now, roundTripTime: roundTripTime, bytesLeft: left, bytesArrived: arrivedBytes,
        lanes: lanes.values.count { !$0.isDraining }, opening: opening))
    switch step {
    case .none: break
    case .open(let count):
      opening += count
      wantedAt = now
      onWanted?(count)
    case .close(let count): drain(count)
    }
  }

  private func stopIfUnused() {
    guard users.isEmpty, lanes.isEmpty else { return }
    timer?.cancel()
    timer = nil
  }

  /// Closes silent lanes, so that what was requested on them is requested on others. While the whole path is silent there
  /// are no others, and the lanes stay.
  private func giveUpSilent() {
    let silent = lanes.values.filter(\.link.isSilent)
    guard !silent.isEmpty, silent.count < lanes.count || !main.isSilent else { return }
    for lane in silent { lane.link.giveUp() }
    // Without any lane, the measured rates mean nothing.
    if lanes.isEmpty { policy = LanePolicy(isFirstCheap: areCheap) }
  }

  private func drain(_ count: Int) {
    for id in lanes.filter({ $0.value.link.isDialer && !$0.value.isDraining }).keys.sorted().suffix(count) {
      lanes[id]?.isDraining = true
    }
    changed()
  }

  private func closeIdle(at now: Instant) {
    for (id, entry) in lanes.sorted(by: { $0.key < $1.key }) {
      guard entry.link.openStreams == 0 else {
        lanes[id]?.idleSince = nil
        continue
      }
      let since = entry.idleSince ?? now
      lanes[id]?.idleSince = since
      if entry.isDraining || now - since >= Self.idleTime { entry.link.close() }
    }
  }
}

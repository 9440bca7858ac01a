package import EventLoop
import Primitives

/// The further links to a node that carry only bulk data: opened while transfers become faster by them, closed when idle.
/// Bound to the loop.
package final class LinkLanes: Lanes {
  /// Lanes that the peer may open to one link.
  package static let limit = 2 * LanePolicy.most
  /// How often the transfers are measured.
  private static let period: Duration = .milliseconds(100)
  /// How long a lane without streams stays open.
  private static let idleTime: Duration = .seconds(10)
  /// How long the first lanes may take to reach their rate.
  private static let startingTime: Duration = .seconds(1)
  /// How long lanes that were wanted may take to open.
  private static let openingTime: Duration = .seconds(10)

  /// Called to open this number of lanes; each is reported by `add` or `failed`, or does not open within a while.
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
  /// What `usable` is, until that changes.
  private var knownUsable: [Lane]?
  private var lastLane: UInt64 = 0
  private var opening = 0
  private var wantedAt: Instant?
  /// The link itself carries bulk data beside its first lanes until these have reached their rate.
  private var linkIsLaneUntil: Instant?
  private var users: [ObjectIdentifier: any LaneUser] = [:]
  private var arrivedBytes: UInt64 = 0
  private var policy = LanePolicy()
  private var timer: Timer?

  /// The lanes beside `main`.
  package init(of main: Link, loop: EventLoop) {
    self.main = main
    self.loop = loop
  }

  package var roundTripTime: Duration? { main.roundTripTime }

  /// Lanes that are up.
  package var count: Int { lanes.count }

  package var usable: [Lane] {
    if let known = knownUsable { return known }
    let open = lanes.filter { !$0.value.isDraining }.sorted { $0.key < $1.key }.map { lane($0.key, $0.value.link) }
    let usable = open.isEmpty || linkIsLaneUntil != nil ? [lane(.link, main)] + open : open
    knownUsable = usable
    return usable
  }

  private func lane(_ id: LaneID, _ link: Link) -> Lane { Lane(id: id) { link.openStream(window: $0) } }

  // MARK: Transfers

  /// Adds a transfer, for which more lanes may open.
  package func join(_ user: any LaneUser) {
    users[ObjectIdentifier(user)] = user
    if timer == nil { timer = loop.after(.zero, repeating: Self.period) { [weak self] in self?.check() } }
  }

  /// Removes a transfer. Idempotent.
  package func leave(_ user: any LaneUser) { users[ObjectIdentifier(user)] = nil }

  /// Counts bytes of a transfer that have arrived, over any lane.
  package func arrived(_ count: Int) { arrivedBytes += UInt64(count) }

  // MARK: Opening and closing

  /// A lane is up, opened by this node or by the peer. The caller has set the link's `onStream`.
  ///
  /// - Returns: false if there are as many as a link may have; the caller closes it.
  package func add(_ link: Link) -> Bool {
    failed(1)
    guard lanes.count < Self.limit else { return false }
    if lanes.isEmpty { linkIsLaneUntil = loop.now + Self.startingTime }
    lastLane += 1
    let id = LaneID(number: lastLane)
    lanes[id] = Entry(link: link)
    link.onClose = { [weak self] _ in self?.closed(id) }
    link.preferThroughput()
    changed()
    if timer == nil { timer = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.check() } }
    return true
  }

  /// Lanes that were wanted did not open.
  package func failed(_ count: Int) { opening = max(0, opening - count) }

  private func closed(_ id: LaneID) {
    lanes[id] = nil
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

  private func check() {
    closeIdle()
    if let until = linkIsLaneUntil, loop.now >= until {
      linkIsLaneUntil = nil
      changed()
    }
    if let wantedAt, loop.now - wantedAt > Self.openingTime { opening = 0 }
    let left = users.values.reduce(0) { $0 &+ $1.bytesLeft }
    let step = policy.next(
      LanePolicy.Observation(
        now: loop.now, roundTripTime: roundTripTime, bytesLeft: left, bytesArrived: arrivedBytes,
        lanes: lanes.values.count { !$0.isDraining }, opening: opening))
    switch step {
    case .none: break
    case .open(let count):
      opening += count
      wantedAt = loop.now
      onWanted?(count)
    case .close(let count): drain(count)
    }
    guard users.isEmpty, lanes.isEmpty else { return }
    timer?.cancel()
    timer = nil
  }

  private func drain(_ count: Int) {
    for id in lanes.filter({ $0.value.link.isDialer && !$0.value.isDraining }).keys.sorted().suffix(count) {
      lanes[id]?.isDraining = true
    }
    changed()
  }

  private func closeIdle() {
    for (id, entry) in lanes.sorted(by: { $0.key < $1.key }) {
      guard entry.link.openStreams == 0 else {
        lanes[id]?.idleSince = nil
        continue
      }
      let since = entry.idleSince ?? loop.now
      lanes[id]?.idleSince = since
      if entry.isDraining || loop.now - since >= Self.idleTime { entry.link.close() }
    }
  }
}

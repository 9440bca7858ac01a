import Primitives

/// When a node announces itself: several times after each change, because datagrams get lost, and then regularly.
struct LocalAnnouncementTimes: Sendable {
  /// After the start, or after a change of channels or addresses. The first two lead to a link within a second.
  static let offsets: [Duration] = [.zero, .milliseconds(250), .seconds(1), .seconds(3)]
  /// Between further announcements. Syncthing, whose announcements are of the same kind, sends them every 30 to 60 s
  /// (Local Discovery Protocol v4).
  static let period: Duration = .seconds(30)
  /// The least time between two announcements, however often channels or addresses change.
  static let leastPause: Duration = .milliseconds(100)

  /// When to announce next; nil if there is nothing to announce.
  private(set) var next: Instant?
  private var begunAt: Instant?
  private var lastAt: Instant?
  /// Announcements since the last change.
  private var count = 0

  /// Something has changed: announces it soon, and again.
  mutating func restart(at now: Instant) {
    begunAt = now
    count = 0
    next = max(now, earliest ?? now)
  }

  mutating func stop() { next = nil }

  /// An announcement was sent.
  mutating func announced(at now: Instant) {
    lastAt = now
    count += 1
    guard let begunAt, count < Self.offsets.count else {
      next = now + Self.period
      return
    }
    next = max(begunAt + Self.offsets[count], now + Self.leastPause)
  }

  private var earliest: Instant? { lastAt.map { $0 + Self.leastPause } }
}

/// The random bytes of the latest datagrams with a tag of this node's channels, and of its own announcements. Copies of
/// them have no effect: those that arrive over a second interface or address family, and those that a stranger sends.
struct RecentRandom: Sendable {
  /// Only members can fill it: 500 of them need 30 s for that.
  static let capacity = 512

  private var all: Set<[UInt8]> = []
  private var order = Queue<[UInt8]>()

  func contains(_ bytes: [UInt8]) -> Bool { all.contains(bytes) }

  mutating func insert(_ bytes: [UInt8]) {
    guard all.insert(bytes).inserted else { return }
    order.append(bytes)
    if all.count > Self.capacity, let oldest = order.popFirst() { all.remove(oldest) }
  }
}

/// Bounds what announcements can make this node dial, even if their senders' addresses are forged.
struct LocalDialLimit: Sendable {
  /// An address is dialed once in this time.
  static let period: Duration = .seconds(10)
  /// Ports of one host that are dialed in that time: a machine may run several nodes.
  static let portsOfHost = 4
  /// Addresses that are dialed in that time.
  static let capacity = 256

  private var dialedAt: [Endpoint: Instant] = [:]

  /// Whether the address may be dialed now; if so, it counts as dialed.
  mutating func admits(_ endpoint: Endpoint, at now: Instant) -> Bool {
    dialedAt = dialedAt.filter { now - $0.value < Self.period }
    guard dialedAt[endpoint] == nil, dialedAt.count < Self.capacity,
      dialedAt.keys.count(where: { $0.host == endpoint.host }) < Self.portsOfHost
    else { return false }
    dialedAt[endpoint] = now
    return true
  }
}

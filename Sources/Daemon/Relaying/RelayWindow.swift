import Primitives

/// What all windows of relayed streams may hold beyond their first size. Bound to the loop.
final class RelayPool {
  static let capacity = 64 << 20

  /// Bytes in use.
  private(set) var used = 0

  /// Takes bytes if they are at most a quarter of what is free: later streams then find some as well.
  func take(_ count: Int) -> Bool {
    guard count <= (Self.capacity - used) / 4 else { return false }
    used += count
    return true
  }

  func release(_ count: Int) { used -= count }
}

/// How many bytes a node may send on a relayed stream beyond those that the other node has taken. It grows while the
/// window, and not the other node, is what slows the stream down.
struct RelayWindow {
  /// yamux's own. A stream that the peer opens has no other.
  static let first = 256 << 10
  /// More would gain nothing: a TCP connection here buffers about as much.
  static let most = 4 << 20
  /// With more waiting all the time, the other node is what slows the stream down.
  static let standingQueue = 64 << 10
  /// After this time without bytes, the window has its first size again.
  static let idleTime: Duration = .seconds(10)

  /// The size when nothing waits.
  private(set) var size = first
  /// Bytes that wait here, or that the node may still send.
  private var granted = first
  /// Bytes of the pool in use.
  private var pooled = 0
  private let pool: RelayPool
  private var heardAt: Instant
  /// When the current round began: the time in which one whole window passes.
  private var roundStart: Instant
  private var passed = 0
  /// The smallest queue in this round.
  private var shortestQueue = Int.max

  init(pool: RelayPool, at now: Instant) {
    self.pool = pool
    heardAt = now
    roundStart = now
  }

  /// Bytes have arrived.
  mutating func heard(at now: Instant) {
    if now - heardAt >= Self.idleTime {
      size = Self.first
      startRound(at: now)
    }
    heardAt = now
  }

  /// The other node has taken `count` bytes, and `waiting` more are here.
  ///
  /// - Parameter roundTrip: to the node that sends; nil if it is not known.
  /// - Returns: how many more bytes the node may send.
  mutating func taken(_ count: Int, waiting: Int, roundTrip: Duration?, at now: Instant) -> Int {
    passed += count
    shortestQueue = min(shortestQueue, waiting)
    if passed >= size {
      if let roundTrip, now - roundStart <= roundTrip * 2, shortestQueue < Self.standingQueue { grow() }
      startRound(at: now)
    }
    granted -= count
    let credit = max(0, size - granted)
    granted += credit
    shrinkPool()
    return credit
  }

  private mutating func startRound(at now: Instant) {
    roundStart = now
    passed = 0
    shortestQueue = .max
  }

  private mutating func grow() {
    guard size < Self.most else { return }
    // A window that shrank may still hold what it grows into.
    let missing = max(0, 2 * size - Self.first - pooled)
    guard pool.take(missing) else { return }
    pooled += missing
    size *= 2
  }

  private mutating func shrinkPool() {
    let excess = pooled - (max(size, granted) - Self.first)
    guard excess > 0 else { return }
    pool.release(excess)
    pooled -= excess
  }

  /// Releases its part of the pool: the stream is over.
  mutating func close() {
    pool.release(pooled)
    pooled = 0
  }
}

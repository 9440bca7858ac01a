import Primitives
import Transfer

/// Passes on the bytes of all relayed streams in turns: one block for each pair of nodes, so that more streams between two
/// nodes do not get more. Keeps to the rate that the owner allows. Bound to the loop.
final class RelayTurns {
  /// Bytes passed on so far.
  private(set) var bytes: UInt64 = 0

  private let limit: RateLimit
  private let clock: RelayClock
  /// The pairs with directions that may have something to pass on, in the order of their turns.
  private var order = Queue<NodePair>()
  private var ready: [NodePair: [RelayDirection]] = [:]
  /// Directions whose link takes nothing now, in the order in which they go on.
  private var blocked: [LinkID: [RelayDirection]] = [:]
  private var bucket: TokenBucket?
  /// Until when the rate forbids another turn.
  private var pausedUntil: Instant?
  private var isWakeDue = false
  private var isAdvancing = false

  init(limit: RateLimit, clock: RelayClock) {
    self.limit = limit
    self.clock = clock
  }

  /// The direction may have something to pass on.
  func add(_ direction: RelayDirection) {
    enqueue(direction)
    advance()
  }

  /// A stream of this link takes bytes again. The link then has room for its other streams as well, so all directions that
  /// wait for it are tried, in their order.
  func unblock(_ link: LinkID) {
    for direction in blocked.removeValue(forKey: link) ?? [] {
      direction.isInLine = false
      enqueue(direction)
    }
    advance()
  }

  /// Forgets the direction.
  func remove(_ direction: RelayDirection) {
    guard direction.isInLine else { return }
    direction.isInLine = false
    ready[direction.pair]?.removeAll { $0 === direction }
    blocked[direction.sinkLink]?.removeAll { $0 === direction }
    if blocked[direction.sinkLink]?.isEmpty == true { blocked[direction.sinkLink] = nil }
  }

  private func enqueue(_ direction: RelayDirection) {
    guard direction.hasWork, !direction.isInLine else { return }
    direction.isInLine = true
    if ready[direction.pair] == nil { order.append(direction.pair) }
    ready[direction.pair, default: []].append(direction)
  }

  private func advance() {
    // Passing bytes on may report more work: the loop below takes it up.
    guard !isAdvancing else { return }
    isAdvancing = true
    defer { isAdvancing = false }
    while !isPaused, let pair = order.popFirst() {
      guard let direction = nextDirection(of: pair) else { continue }
      passTurn(of: direction)
      enqueue(direction)
      if ready[pair]?.isEmpty == false { order.append(pair) } else { ready[pair] = nil }
    }
  }

  /// Passes on one turn's bytes, or as many as the link takes while no other pair waits.
  private func passTurn(of direction: RelayDirection) {
    var left = RelayDirection.turn
    repeat {
      let isAlone = order.isEmpty && limit.rate == nil
      let count = direction.pass(upTo: isAlone ? .max : left)
      spend(count)
      left = isAlone ? RelayDirection.turn : left - count
    } while left > 0 && direction.canPass
  }

  /// Removes the pair's next direction that can pass something on; those before it are set aside until they can.
  private func nextDirection(of pair: NodePair) -> RelayDirection? {
    while let direction = ready[pair]?.first {
      ready[pair]?.removeFirst()
      direction.isInLine = false
      if direction.canPass { return direction }
      guard direction.hasWork else { continue }
      direction.isInLine = true
      blocked[direction.sinkLink, default: []].append(direction)
    }
    ready[pair] = nil
    return nil
  }

  // MARK: The rate

  private var isPaused: Bool {
    guard let pausedUntil, limit.rate != nil else { return false }
    let left = pausedUntil - clock.now()
    guard left > .zero else { return false }
    guard !isWakeDue, !order.isEmpty else { return true }
    isWakeDue = true
    clock.after(left) { [weak self] in
      self?.isWakeDue = false
      self?.advance()
    }
    return true
  }

  private func spend(_ count: Int) {
    bytes += UInt64(count)
    guard let rate = limit.rate else {
      (bucket, pausedUntil) = (nil, nil)
      return
    }
    let now = clock.now()
    var bucket = bucket ?? TokenBucket(rate: rate, at: now)
    pausedUntil = now + bucket.delay(for: count, rate: rate, at: now)
    self.bucket = bucket
  }
}

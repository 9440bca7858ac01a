import EventLoop
import Links
import Primitives

/// Two connections whose bytes pass from one to the other, as a joined lane uses them. Directions are numbered 0 and 1.
/// Bound to the loop.
protocol LaneSplice: AnyObject {
  /// Called when bytes of a direction can pass that could not before.
  var onReady: ((Int) -> Void)? { get set }
  /// Called once when nothing more passes; not after `close`.
  var onEnd: ((KacheryError?) -> Void)? { get set }

  /// Whether `pass` may move bytes, or the end.
  func canPass(_ direction: Int) -> Bool
  /// Whether bytes wait for the receiver.
  func isBlocked(_ direction: Int) -> Bool
  /// Moves at most `limit` bytes; returns how many the receiver has taken.
  func pass(_ direction: Int, upTo limit: Int) -> Int
  /// Watches for whatever the directions lack.
  func watch()
  /// Breaks both connections. Idempotent.
  func close()
}

extension SocketSplice: LaneSplice {}

/// A lane of two other nodes that this one has joined: bytes pass in turns with those of all other relayed links and
/// lanes. Bound to the loop.
final class JoinedLane {
  /// Most bytes of a turn.
  static let turn = SplicePipes.capacity

  private final class Direction: RelayFlow {
    let pair: NodePair
    let sinkLink: LinkID? = nil
    var isInLine = false
    /// When bytes last passed, or nothing was held back.
    var movedAt: Instant
    private let splice: any LaneSplice
    private let index: Int
    private let onPassed: (Int) -> Void

    init(_ splice: any LaneSplice, _ index: Int, _ pair: NodePair, at now: Instant, onPassed: @escaping (Int) -> Void) {
      self.splice = splice
      self.index = index
      self.pair = pair
      self.onPassed = onPassed
      movedAt = now
    }

    var hasWork: Bool { canPass }
    var canPass: Bool { splice.canPass(index) }
    var isBlocked: Bool { splice.isBlocked(index) }

    func pass(upTo limit: Int) -> Int {
      let count = splice.pass(index, upTo: limit)
      if count > 0 { onPassed(count) }
      return count
    }

    func rest() { splice.watch() }
  }

  let pair: NodePair
  private let splice: any LaneSplice
  private let turns: RelayTurns
  private let clock: RelayClock
  private var directions: [Direction] = []
  private var onEnd: (() -> Void)?

  /// - Parameters:
  ///   - onPassed: called with the number of bytes that have passed.
  ///   - onEnd: called once when the lane is over.
  init(
    _ splice: any LaneSplice, of pair: NodePair, turns: RelayTurns, clock: RelayClock,
    onPassed: @escaping (Int) -> Void, onEnd: @escaping () -> Void
  ) {
    self.pair = pair
    self.splice = splice
    self.turns = turns
    self.clock = clock
    self.onEnd = onEnd
    directions = (0..<2).map { index in
      Direction(splice, index, pair, at: clock.now()) { [weak self] count in
        self?.directions[index].movedAt = clock.now()
        onPassed(count)
      }
    }
    splice.onReady = { [weak self] index in
      guard let self else { return }
      turns.addToRound(directions[index])
    }
    splice.onEnd = { [weak self] _ in self?.end() }
  }

  /// Ends the lane if nothing has passed for `limit`, or if one of the two nodes has taken nothing for so long. The nodes
  /// ping each other all the time, so one of them is gone.
  func endIfStalled(for limit: Duration) {
    let now = clock.now()
    // What waits for its turn or for the rate does not wait for a node.
    for direction in directions where direction.canPass { direction.movedAt = now }
    let latest = directions.map(\.movedAt).max() ?? now
    guard now - latest >= limit || directions.contains(where: { $0.isBlocked && now - $0.movedAt >= limit }) else {
      return
    }
    close()
  }

  /// Breaks the lane. Idempotent.
  func close() {
    splice.close()
    end()
  }

  private func end() {
    for direction in directions { turns.remove(direction) }
    let tell = onEnd
    onEnd = nil
    tell?()
  }
}

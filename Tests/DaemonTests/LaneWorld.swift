import Diagnostics
import Links
import Primitives
import TestSupport
import Transfer
import Wire

@testable import Daemon

/// One half of a joined lane, whose node is the test.
final class TestHalf: LaneHalf {
  let preamble: JoinPreamble
  let host: String?
  var onEnd: (() -> Void)?
  private(set) var isClosed = false

  init(_ token: LaneToken, _ role: LaneRole, host: String? = "192.0.2.1") {
    preamble = JoinPreamble(token, as: role)
    self.host = host
  }

  func close() {
    isClosed = true
    onEnd = nil
  }

  /// The node ends the connection, or sends something.
  func end() {
    let tell = onEnd
    close()
    tell?()
  }
}

/// Two joined connections whose kernel is the test: bytes arrive, and as many pass as there is room for.
final class TestSplice: LaneSplice {
  var onReady: ((Int) -> Void)?
  var onEnd: ((KacheryError?) -> Void)?
  private(set) var isClosed = false
  /// Bytes that have arrived, and room for them at the other end, of each direction.
  private var arrived = [0, 0]
  private var room = [Int.max, Int.max]
  /// What was reported, and not used up since: as a socket, it reports again only when it is asked.
  private var isReported = [false, false]
  /// The bytes of each turn.
  private(set) var turns: [Int] = []
  private(set) var watches = 0
  private(set) var passed = 0

  func canPass(_ direction: Int) -> Bool { !isClosed && isReported[direction] && room[direction] > 0 }
  func isBlocked(_ direction: Int) -> Bool { arrived[direction] > 0 && room[direction] == 0 }

  func pass(_ direction: Int, upTo limit: Int) -> Int {
    let count = min(arrived[direction], limit, JoinedLane.turn, room[direction])
    isReported[direction] = false
    arrived[direction] -= count
    if room[direction] < .max { room[direction] -= count }
    passed += count
    turns.append(count)
    return count
  }

  func watch() { watches += 1 }
  func close() {
    isClosed = true
    (onReady, onEnd) = (nil, nil)
  }

  // MARK: The kernel

  func receive(_ count: Int, _ direction: Int = 0) { arrived[direction] += count }

  /// Reports what is ready, as a turn of the loop does.
  func report() {
    for direction in 0..<2 where !isReported[direction] && arrived[direction] > 0 && room[direction] > 0 && !isClosed {
      isReported[direction] = true
      onReady?(direction)
    }
  }

  func setRoom(_ count: Int, _ direction: Int = 0) { room[direction] = count }

  /// One of the two connections ends.
  func end(_ error: KacheryError? = nil) {
    let tell = onEnd
    close()
    tell?(error)
  }
}

/// The joined lanes of a relay with a virtual clock.
final class LaneWorld {
  let time = SimClock()
  let lanes: JoinedLanes
  let turns: RelayTurns
  let metrics = RelayMetrics()
  /// The splices, in the order in which they came up.
  private(set) var splices: [TestSplice] = []
  /// Whether the process has no descriptors left.
  var failsToSplice = false
  private let soon = NextTurn()

  /// What is to run in the next turn of the loop.
  private final class NextTurn { var bodies: [() -> Void] = [] }

  /// - Parameter rate: in MB/s; nil for no limit.
  init(rate: Int? = nil) throws {
    let time = time
    let soon = soon
    let clock = RelayClock(
      now: { time.now }, after: { time.after($0, $1) }, soon: { soon.bodies.append($0) })
    let rate = rate.map { Double($0 * 1_000_000) }
    turns = RelayTurns(rates: [RelayRate { rate }], clock: clock, metrics: metrics)
    lanes = JoinedLanes(turns: turns, clock: clock, metrics: metrics)
    lanes.splice = { [unowned self] (one, other) throws(KacheryError) in
      guard !failsToSplice else {
        one.close()
        other.close()
        throw KacheryError(.internalError, "Too many open files.")
      }
      splices.append(TestSplice())
      return splices[splices.count - 1]
    }
  }

  static func pair(_ one: Int, _ other: Int) -> NodePair { NodePair(RelayWorld.node(one), RelayWorld.node(other)) }

  func grant(_ opener: Int, _ target: Int) -> LaneToken? {
    lanes.grant(Self.pair(opener, target), to: RelayWorld.node(opener))
  }

  /// Shows a token, as a node does on a new connection.
  @discardableResult
  func show(_ token: LaneToken, _ role: LaneRole, host: String? = "192.0.2.1") -> TestHalf {
    let half = TestHalf(token, role, host: host)
    lanes.add(half)
    return half
  }

  /// A lane between two nodes; nil if they have too many.
  func join(_ opener: Int, _ target: Int) -> TestSplice? {
    guard let token = grant(opener, target) else { return nil }
    let before = splices.count
    show(token, .opener)
    show(token, .target)
    return splices.count > before ? splices.last : nil
  }

  /// Lets the loop turn: all splices report, and then the rest runs.
  func turn() {
    for splice in splices { splice.report() }
    let bodies = soon.bodies
    soon.bodies = []
    for body in bodies { body() }
  }

  func pass(_ duration: Duration) { _ = time.run(for: duration) }
}

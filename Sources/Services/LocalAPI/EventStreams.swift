import EventLoop
import Primitives

/// The open streams of `/v1/events`, and what they show. Bound to its server's loop.
final class EventStreams {
  /// Most streams of one server at a time. Each is a page, or a terminal view.
  static let maximumStreams = 64
  /// How often the transfers are looked at.
  static let period: Duration = .milliseconds(250)
  /// After how many periods the status, the peers and the notices are looked at again.
  static let statusPeriods = 4
  /// After how many periods the channels are, whose members may be thousands.
  static let channelPeriods = 20

  var board = EventBoard()
  var transferRates = RecentRates()
  var totalRates = RecentRates()
  private(set) var count = 0
  private var timer: Timer?
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private var periods = 0
  private var isRefreshing = false
  private var isClosed = false

  /// What has to be looked at.
  struct Due: Equatable {
    var status: Bool
    var channels: Bool

    static let everything = Due(status: true, channels: true)
  }

  /// Adds a stream; false if there are too many. The first one starts the timer, which calls `refresh`.
  func open(on loop: EventLoop, _ refresh: @escaping (Due) -> Void) -> Bool {
    guard count < Self.maximumStreams, !isClosed else { return false }
    count += 1
    guard timer == nil else { return true }
    periods = 0
    timer = loop.after(.zero, repeating: Self.period) { [weak self] in
      guard let self, let due = self.next() else { return }
      refresh(due)
    }
    return true
  }

  /// Removes a stream; without streams, nothing is looked at.
  func end() {
    count -= 1
    guard count == 0 else { return }
    stopTimer()
    // Rates over the pause would be wrong.
    (board, transferRates, totalRates) = (EventBoard(), RecentRates(), RecentRates())
  }

  /// What is due in this period; nil while the last look is not finished.
  private func next() -> Due? {
    guard !isRefreshing else { return nil }
    isRefreshing = true
    defer { periods += 1 }
    return Due(
      status: periods.isMultiple(of: Self.statusPeriods), channels: periods.isMultiple(of: Self.channelPeriods))
  }

  /// The look that `refresh` began is finished: streams that wait continue.
  func refreshed() {
    isRefreshing = false
    wakeAll()
  }

  /// Waits for the end of the next look, or for `close`.
  func nextLook(isolation: isolated (any Actor)? = #isolation) async {
    guard !isClosed else { return }
    await withCheckedContinuation { waiting.append($0) }
  }

  /// Ends all streams. Idempotent.
  func close() {
    isClosed = true
    stopTimer()
    wakeAll()
  }

  private func stopTimer() {
    timer?.cancel()
    timer = nil
  }

  private func wakeAll() {
    let woken = waiting
    waiting = []
    for continuation in woken { continuation.resume() }
  }
}

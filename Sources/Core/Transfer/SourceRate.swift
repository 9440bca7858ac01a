package import Primitives

/// How fast a source sends the bytes of a download: a moving average over the time in which it had something to send.
package struct SourceRate: Sendable {
  /// Long enough to even out the bursts of a stream's window, short enough to notice a source that slows down.
  static let window: Duration = .milliseconds(250)
  /// A source that has sent nothing for this long counts as slow: longer than a round trip and a disk that spins up.
  private static let firstByteTime: Duration = .seconds(1)
  /// The weight of the latest window.
  private static let weight = 0.4

  /// Nil while the source has nothing to send: that time does not count.
  private var windowStart: Instant?
  private var windowBytes: UInt64 = 0
  private var average: Double?
  private var windows = 0
  /// Whether it has ever sent anything.
  private(set) var hasGiven = false

  /// Whether the rate is that of more than the first moments, in which a connection over a long path is still slow.
  package var isSettled: Bool { windows >= 2 }

  package init() {}

  /// The source was asked for something.
  package mutating func begin(at now: Instant) {
    guard windowStart == nil else { return }
    windowStart = now
    windowBytes = 0
  }

  /// The source has sent everything requested, or is no longer asked.
  package mutating func pause(at now: Instant) {
    average = bytesPerSecond(at: now)
    windowStart = nil
  }

  /// The same while nothing is requested.
  package func paused(at now: Instant) -> SourceRate {
    var rate = self
    rate.pause(at: now)
    return rate
  }

  /// Bytes have arrived.
  package mutating func add(_ bytes: UInt64, at now: Instant) {
    guard let start = windowStart else { return }
    windowBytes += bytes
    hasGiven = hasGiven || bytes > 0
    let elapsed = now - start
    guard elapsed >= Self.window else { return }
    let latest = Double(windowBytes) / elapsed.inSeconds
    average = average.map { $0 * (1 - Self.weight) + latest * Self.weight } ?? latest
    windows += 1
    windowStart = now
    windowBytes = 0
  }

  /// Bytes per second; nil if unknown. Decreases by itself when a source stops sending.
  package func bytesPerSecond(at now: Instant) -> Double? {
    guard let start = windowStart else { return average }
    let elapsed = now - start
    guard let average else {
      guard windowBytes > 0 || elapsed >= Self.firstByteTime else { return nil }
      return Double(max(windowBytes, 1)) / max(elapsed, Self.window).inSeconds
    }
    let window = Self.window.inSeconds
    return min(average, (average * window + Double(windowBytes)) / (window + elapsed.inSeconds))
  }
}

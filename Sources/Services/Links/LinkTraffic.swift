import Primitives

/// What a link has carried: the bytes that the two nodes sent each other, without those that TLS and the network add.
package struct LinkTraffic: Hashable, Sendable {
  package var received: UInt64
  package var sent: UInt64
  /// Bytes a second in the last few seconds.
  package var receivingRate: Double
  package var sendingRate: Double

  package init(received: UInt64 = 0, sent: UInt64 = 0, receivingRate: Double = 0, sendingRate: Double = 0) {
    self.received = received
    self.sent = sent
    self.receivingRate = receivingRate
    self.sendingRate = sendingRate
  }

  /// The bytes, and the rates, of both together.
  package static func + (left: LinkTraffic, right: LinkTraffic) -> LinkTraffic {
    LinkTraffic(
      received: left.received + right.received, sent: left.sent + right.sent,
      receivingRate: left.receivingRate + right.receivingRate, sendingRate: left.sendingRate + right.sendingRate)
  }

  /// The same bytes, of a link that has ended.
  var ended: LinkTraffic { LinkTraffic(received: received, sent: sent) }
}

/// Counts bytes, and estimates how many have passed lately. Needs no timer: an idle link costs nothing.
struct TrafficMeter: Sendable {
  /// The time over which the rate is taken.
  static let period: Duration = .seconds(2)

  /// All bytes.
  private(set) var total: UInt64 = 0
  /// When the current period began.
  private var begunAt: Instant
  private var current: UInt64 = 0
  /// The bytes of the period before.
  private var previous: UInt64 = 0

  init(at now: Instant) { begunAt = now }

  mutating func add(_ count: Int, at now: Instant) {
    advance(to: now)
    total += UInt64(count)
    current += UInt64(count)
  }

  /// Bytes a second. The bytes of the period before count as far as they would in a window that ends now.
  func rate(at now: Instant) -> Double {
    var meter = self
    meter.advance(to: now)
    let part = max(.zero, now - meter.begunAt) / Self.period
    return (Double(meter.current) + Double(meter.previous) * (1 - part)) / (Self.period / .seconds(1))
  }

  private mutating func advance(to now: Instant) {
    guard now - begunAt >= Self.period else { return }
    let isNext = now - begunAt < Self.period * 2
    previous = isNext ? current : 0
    begunAt = isNext ? begunAt + Self.period : now
    current = 0
  }
}

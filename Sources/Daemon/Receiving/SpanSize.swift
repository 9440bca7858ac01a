import Primitives

/// How many bytes to request from a lane in one span, and how many ahead of those that have arrived.
enum SpanSize {
  static let least: UInt64 = 256 << 10
  static let most: UInt64 = 4 << 20
  /// Used while the lane's rate is unknown.
  private static let first: UInt64 = 1 << 20
  /// The time that a span takes at the lane's rate.
  private static let time = 0.25
  /// The round-trip time assumed until it is measured.
  private static let assumedRoundTrip = 0.1

  /// The bytes of the next span.
  ///
  /// - Parameters:
  ///   - rate: of the lane, in bytes per second; nil if unknown.
  ///   - share: the bytes left for each lane: towards the end, spans become smaller so that all lanes end together.
  static func span(rate: Double?, share: UInt64) -> UInt64 {
    let wanted = rate.map { UInt64(min(Double(most), $0 * time)) } ?? first
    return min(max(least, min(wanted, share)), most)
  }

  /// The bytes to request from a lane ahead of those that have arrived: at least two spans, and enough that the node
  /// always has one to send while the next request is in flight, also when the lane is twice as fast as measured.
  ///
  /// - Parameters:
  ///   - rate: of the lane, in bytes per second; nil if unknown.
  ///   - growth: the bytes that have arrived, while the lane is probably still becoming faster; nil afterwards. Twice as
  ///     many are requested then, as such a lane doubles its rate with each round trip, and no fewer than while its rate
  ///     was unknown. With what the first moments suggest, it would run empty.
  static func ahead(rate: Double?, growth: UInt64?, roundTripTime: Duration?) -> UInt64 {
    guard let rate else { return 2 * first }
    let roundTrip = roundTripTime?.inSeconds ?? assumedRoundTrip
    let time = max(Self.time, 4 * roundTrip) + Self.time
    let least = growth.map { 2 * max(first, min($0, most)) } ?? 2 * span(rate: rate, share: most)
    return max(least, UInt64(rate * time))
  }
}

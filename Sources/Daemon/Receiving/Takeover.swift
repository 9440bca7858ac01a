import Primitives

/// Decides when faster lanes take over what a slow lane has been asked for.
///
/// Bytes are delivered in the order of the requests, so one slow lane holds up all others: they have nothing to do, or no
/// room for more, until its bytes arrive. What of these is under way is then sent twice.
enum Takeover {
  /// How often to look for lanes that hold up others.
  static let period: Duration = .milliseconds(250)
  /// How long the slow lane may need at least, in seconds: longer than a round trip, and than a connection that has lost
  /// packets takes to recover.
  static let patience = 1.0
  /// How long it must have been so: after a pause of this node, all lanes seem slow for a moment.
  static let confirmation: Duration = .seconds(1)

  /// Whether the other lane should take over.
  ///
  /// - Parameters:
  ///   - bytes: requested from the slow lane, and not yet here.
  ///   - rate: of the slow lane, in bytes per second.
  ///   - other: the rate of the other lane, which has nothing to do.
  static func isDue(_ bytes: UInt64, at rate: Double, other: Double) -> Bool {
    guard bytes > 0, other > 0 else { return false }
    return Double(bytes) / max(1, rate) > patience + 2 * Double(bytes) / other
  }
}

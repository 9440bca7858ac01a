import Discovery
package import Primitives

/// Compares this machine's clock with those of other nodes: whether they differ so much that signed records are
/// rejected, and which of them is likely to be wrong.
package struct ClockComparison: Sendable {
  /// Clocks that differ by at most this agree: a hello may take seconds to arrive.
  private static let agreement: Int64 = 60

  /// How many seconds each other clock is ahead of this one.
  private let offsets: [NodeID: Int64]

  package init(offsets: [NodeID: Int64]) { self.offsets = offsets }

  /// How many other clocks there are.
  package var count: Int { offsets.count }

  /// The largest difference to this one, in seconds; nil if there are no others.
  package var largestDifference: UInt64? { offsets.values.map(\.magnitude).max() }

  /// The nodes whose records this node rejects, or that reject this node's.
  package var strangers: [NodeID] {
    let tolerance = PresenceTable.clockTolerance.components.seconds
    return offsets.filter { $0.value.magnitude >= UInt64(tolerance) }.keys.sorted()
  }

  /// The error of this machine's clock in seconds, positive if it is ahead: known if at least two other clocks agree
  /// with each other and not with this one. Nil if it is unclear whose clock is wrong.
  package var ownError: Int64? {
    let sorted = offsets.values.sorted()
    guard sorted.count >= 2, let first = sorted.first, let last = sorted.last, last - first <= Self.agreement,
      !strangers.isEmpty
    else { return nil }
    return -sorted[sorted.count / 2]
  }

  /// `30 s ahead of` or `12 min behind`.
  package static func relation(_ seconds: Int64) -> String {
    let time = Quantity.age(Int(clamping: seconds.magnitude))
    return seconds >= 0 ? "\(time) ahead of" : "\(time) behind"
  }
}

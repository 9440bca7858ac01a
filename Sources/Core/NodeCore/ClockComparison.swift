import Discovery
package import Primitives

/// This machine's clock beside those of other nodes: whether they are so far apart that signed records are disbelieved,
/// and which of them is likely to be wrong.
package struct ClockComparison: Sendable {
  /// Clocks that are no further apart than this agree: a hello may travel for seconds.
  private static let agreement: Int64 = 60

  /// By how many seconds each other clock is ahead of this one.
  private let offsets: [NodeID: Int64]

  package init(offsets: [NodeID: Int64]) { self.offsets = offsets }

  /// The nodes whose records this node disbelieves, or which disbelieve this one's.
  package var strangers: [NodeID] {
    let tolerance = PresenceTable.clockTolerance.components.seconds
    return offsets.filter { $0.value.magnitude >= UInt64(tolerance) }.keys.sorted()
  }

  /// By how many seconds this machine's clock is wrong, ahead being positive: where two other clocks or more agree with
  /// each other, and none with this one. Nil where nobody can tell whose is wrong.
  package var ownError: Int64? {
    let sorted = offsets.values.sorted()
    guard sorted.count >= 2, let first = sorted.first, let last = sorted.last, last - first <= Self.agreement,
      !strangers.isEmpty
    else { return nil }
    return -sorted[sorted.count / 2]
  }

  /// `90 s ahead of` or `90 s behind`.
  package static func relation(_ seconds: Int64) -> String {
    seconds >= 0 ? "\(seconds) s ahead of" : "\(seconds.magnitude) s behind"
  }
}

/// What a member relays between other members of a channel.
package enum RelayedTraffic: Int, Comparable, Sendable {
  /// Links, at a low rate: for messages and small files.
  case messages
  /// Links at any rate, and lanes of them.
  case everything

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What a member relays between other members of a channel.
package enum RelayedTraffic: Int, Comparable, Sendable {
  /// Links, at a low rate: for messages and small files.
  case messages
  /// Links at any rate, and lanes of them.
  case everything

  /// What proxies of these kinds relay; nil for nothing. A link carries messages and data, so who may relay data may relay
  /// both.
  package init?(isMessageProxy: Bool, isDataProxy: Bool) {
    guard isMessageProxy || isDataProxy else { return nil }
    self = isDataProxy ? .everything : .messages
  }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

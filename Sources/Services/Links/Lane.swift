package import Primitives

/// Names one lane of a link. Later lanes have higher numbers.
package struct LaneID: Hashable, Comparable, Sendable {
  /// The link itself, which carries bulk data while it has no lanes.
  package static let link = LaneID(number: 0)

  package let number: UInt64
  /// The link that it belongs to; nil while only one is considered.
  package let owner: LinkID?

  package init(number: UInt64, of owner: LinkID? = nil) {
    self.number = number
    self.owner = owner
  }

  /// Whether this is the link itself.
  package var isLink: Bool { number == 0 }

  package static func < (left: LaneID, right: LaneID) -> Bool {
    (left.owner?.number ?? 0, left.number) < (right.owner?.number ?? 0, right.number)
  }
}

/// A connection to a node over which bulk data can be requested.
package struct Lane {
  package let id: LaneID
  /// Opens a stream over it.
  package let open: StreamOpener

  package init(id: LaneID, open: @escaping StreamOpener) {
    self.id = id
    self.open = open
  }
}

/// A transfer that uses the lanes of a link. Bound to the loop.
package protocol LaneUser: AnyObject {
  /// Bytes that it still needs from the node.
  var bytesLeft: UInt64 { get }
  /// Lanes have opened, or accept no more streams.
  func lanesChanged()
  /// Nothing more comes over the lanes of this link, although they are up.
  func linkAbandoned(_ link: LinkID)
}

/// The lanes to one node, as its transfers see them: those of one link, or of whichever of its links is preferred. Bound
/// to the loop.
package protocol Lanes: AnyObject {
  /// The lanes that accept streams, in order; the link itself while it has no others. None if no link is up.
  var usable: [Lane] { get }
  /// The round trip time of the link; nil until it has been measured.
  var roundTripTime: Duration? { get }
  /// Adds a transfer, for which more lanes may open.
  func join(_ user: any LaneUser)
  /// Removes a transfer. Idempotent.
  func leave(_ user: any LaneUser)
  /// Counts bytes of a transfer that have arrived, over any lane.
  func arrived(_ count: Int)
}

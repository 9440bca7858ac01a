import Links
import Primitives

/// A link to this node, as its relay sees it.
struct RelayLink {
  let id: LinkID
  /// The node at the other end.
  let node: NodeID
  /// The round trip time of the link; nil until it has been measured.
  let roundTripTime: () -> Duration?
  /// Opens a stream to the node.
  let open: StreamOpener
  /// Where the relay sees the node; it tells the node at the other end of a relayed link.
  var seenAt: [Endpoint] = []
}

/// Two nodes in either order: all relayed streams between them count and take turns together.
struct NodePair: Hashable {
  let lower: NodeID
  let higher: NodeID

  init(_ one: NodeID, _ other: NodeID) {
    (lower, higher) = one < other ? (one, other) : (other, one)
  }
}

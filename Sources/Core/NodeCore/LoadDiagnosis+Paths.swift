import Discovery
import Primitives
import Wire

/// Why no path leads to a node that cannot be dialed.
extension LoadDiagnosis {
  /// Why no relay leads to the node, and whether this node is behind a router itself: parts of a sentence. Nil if a relay
  /// leads there.
  func withoutRelay(to other: NodeID) -> String? {
    let records = core.introductions.records(of: other, at: now.wall)
    guard records.allSatisfy({ core.introductions.relays(for: $0).isEmpty }) else { return nil }
    let router = core.introductions.isBehindRouter ? "this node is behind a router itself, and " : ""
    guard core.introductions.relays.isEmpty else {
      let isElsewhere = records.contains { !$0.relays.isEmpty }
      return router
        + (isElsewhere ? "the two nodes are linked to different relays" : "the other node is linked to no relay")
    }
    return router
      + (core.peers.linked.contains(where: \.isBootstrap)
        ? "the bootstrap nodes that this node is linked to do not relay"
        : "this node is linked to no bootstrap node and to no member that relays")
  }

  /// What helps if a member cannot be dialed.
  func advice(toReach other: NodeID) -> [String] {
    guard withoutRelay(to: other) != nil else {
      return ["Check that the other node is running; kachery doctor shows what this node's network allows."]
    }
    return [
      "Check that the other node is running, and that both use the same bootstrap node, one that relays, or share a "
        + "member that joined the channel with --data-proxy; or let one of the two be dialed: allow its TCP port, and "
        + "forward it if there is a router.",
      "kachery doctor shows what this node's network allows.",
    ]
  }
}

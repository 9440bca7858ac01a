import Diagnostics
import NodeCore
import Primitives

extension Log {
  /// Writes what the owner of a node may want to know.
  func write(_ event: NodeEvent) {
    switch event {
    case .linked(let node, let label): info("Linked to \(label.isEmpty ? "node" : "'\(label)'") \(node.short).")
    case .unlinked(let node): info("The link to node \(node.short) has ended.")
    case .refused(let node, let goodbye, let byPeer):
      let who = byPeer ? "Node \(node.short) ended the link" : "The link to node \(node.short) was ended"
      let text = "\(who): \(goodbye.reason)."
      goodbye.code == .stopping || goodbye.code == .duplicate ? debug(text) : warning(text)
    case .misbehaved(let node, let hash):
      warning("Node \(node.short) sent bytes that do not have the hash \(hash); they were dropped.")
    case .clockSkew(let node, let seconds):
      warning("The clock of node \(node.short) is \(seconds) s away from this one's; one of the two is wrong.")
    }
  }
}

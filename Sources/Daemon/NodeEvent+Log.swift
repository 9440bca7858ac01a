import Diagnostics
import NodeCore
import Primitives

extension Log {
  /// Logs an event of interest to the node's owner.
  func write(_ event: NodeEvent) {
    switch event {
    case .linked(let node, let label): info("Linked to \(label.isEmpty ? "node" : "'\(label)'") \(node.short).")
    case .unlinked(let node): info("The link to node \(node.short) has ended.")
    case .refused(let node, let goodbye, let byPeer):
      let who = byPeer ? "Node \(node.short) ended the link" : "The link to node \(node.short) was ended"
      let text = "\(who): \(goodbye.reason)."
      goodbye.code == .stopping || goodbye.code == .duplicate ? debug(text) : warning(text)
    case .notice(let notice): warning("\(notice.summary) \(notice.advice.joined(separator: " "))")
    case .misbehaved(let node, let hash):
      warning("Node \(node.short) sent bytes that do not match the hash \(hash); they were discarded.")
    case .clockSkew(let node, let seconds):
      warning("The clock of node \(node.short) differs from this node's by \(seconds) s; one of them is wrong.")
    }
  }
}

import Diagnostics
import NodeCore
import Primitives

extension Log {
  /// Logs an event of interest to the node's owner.
  func write(_ event: NodeEvent) {
    switch event {
    case .linked(let node, let label):
      info(
        "Linked to \(label.isEmpty ? "node" : "'\(label)'") \(node.short).", .linked, about: [.peer(node.hex)])
    case .unlinked(let node): info("The link to node \(node.short) has ended.", .unlinked, about: [.peer(node.hex)])
    case .refused(let node, let goodbye, let byPeer):
      let who = byPeer ? "Node \(node.short) ended the link" : "The link to node \(node.short) was ended"
      let text = "\(who): \(goodbye.reason)."
      guard goodbye.code != .stopping, goodbye.code != .duplicate else { return debug(text) }
      warning(text, .linkRefused, about: [.peer(node.hex)])
    case .notice(let notice):
      warning(
        "\(notice.summary) \(notice.advice.joined(separator: " "))", Event(notice.kind), about: [.peer(notice.node.hex)]
      )
    case .misbehaved(let node, let hash):
      warning(
        "Node \(node.short) sent bytes that do not match the hash \(hash); they were discarded.", .wrongBytes,
        about: [.peer(node.hex), .file("\(hash)")])
    case .clockSkew(let node, let seconds):
      warning(
        "The clock of node \(node.short) differs from this node's by \(seconds) s; one of them is wrong.", .clockWrong,
        about: [.peer(node.hex)])
    }
  }
}

extension Log.Event {
  fileprivate init(_ kind: NodeNotice.Kind) {
    self =
      switch kind {
      case .notBootstrap: .notBootstrap
      case .noCommonChannel: .noCommonChannel
      case .notIntroduced: .notIntroduced
      case .copy: .sameIdentity
      }
  }
}

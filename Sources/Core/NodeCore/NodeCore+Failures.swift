import Primitives
import Transfer

extension NodeCore {
  /// Says in a sentence why a load has failed and what to do about it.
  func explain(_ failure: TransferFailure) -> KacheryError {
    switch failure {
    case .noSource(let asked): return KacheryError(.notFound, explainMissing(asked: asked))
    case .lostSources(let loaded, let total, let last):
      return KacheryError(
        .disconnected,
        "The link to node \(last.short), which had the file, was lost with \(loaded) of \(total) bytes verified, and "
          + "no other node that is online has it; try again when that node is back.")
    case .corruptSources(let liars):
      let names = Set(liars).sorted().map(\.short).joined(separator: ", ")
      return KacheryError(
        .hashMismatch,
        "Node \(names) has a damaged copy of the file: its bytes do not have the hash that was asked for. Nothing was "
          + "kept. Ask the node's owner to store the file again, or load it from another node.")
    case .falseManifest(let manifest):
      return KacheryError(
        .badManifest,
        "The manifest \(manifest) does not describe this file. Load the URI without its manifest, or ask its author "
          + "for the right one.")
    case .storage(let error): return error
    }
  }

  private func explainMissing(asked: Int) -> String {
    if channels.isEmpty {
      return "The file is not on this node, and the node has joined no channel; join the one that the file was shared "
        + "on with kachery-p2p-join-channel."
    }
    if let unread = channels.values.first(where: { $0.membership == .byDocument(nil) }), channels.count == 1 {
      return "The file is not on this node, and the channel's document could not be read yet: \(unread.address)."
    }
    if let refusing = channels.values.first(where: { !$0.lists(node) }), channels.count == 1 {
      return "The file is not on this node, and the channel \(refusing.address) does not list this node (\(node)) "
        + "among its authorized nodes; ask the channel's owner to add it."
    }
    if asked == 0 {
      return "The file is not on this node, and no other member of its channels is online."
    }
    return "The file is not on this node, and none of the \(asked) member\(asked == 1 ? "" : "s") of its channels that "
      + "\(asked == 1 ? "was" : "were") asked \(asked == 1 ? "has" : "have") it."
  }
}

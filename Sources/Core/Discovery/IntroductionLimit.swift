package import Primitives

/// Whom a bootstrap node introduces, if its keeper does not let it introduce any node.
package struct IntroductionLimit: Hashable, Sendable {
  /// Most nodes and channels together.
  package static let maximumEntries = 256

  /// These nodes, by each of their channels.
  package let nodes: Set<NodeID>
  /// Every node that proves one of these channels, by that channel.
  package let channels: [ChannelSecret]

  package init(nodes: Set<NodeID>, channels: [ChannelSecret]) {
    self.nodes = nodes
    self.channels = channels
  }

  /// The topics by which a node is introduced; nil for all that it names, empty if it is not introduced.
  ///
  /// - Parameters:
  ///   - proofs: what it has sent on the link with this binding.
  package func topics(of node: NodeID, proving proofs: Set<ChannelProof>, binding: [UInt8]) -> Set<Topic>? {
    guard !nodes.contains(node) else { return nil }
    return Set(channels.filter { proofs.contains($0.proof(by: node, binding: binding)) }.map(\.topic))
  }
}

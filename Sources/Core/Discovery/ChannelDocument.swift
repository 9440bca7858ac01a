package import Primitives

/// The document that a channel's address leads to: who belongs to the channel, and where its nodes meet.
package struct ChannelDocument: Hashable, Sendable {
  /// Nodes that a document may list.
  package static let maximumMembers = 10_000
  /// Bootstrap nodes that a document may name: each of its readers dials all of them.
  package static let maximumBootstraps = 64

  /// A node that belongs to the channel, and what it may do there.
  package struct Member: Hashable, Sendable {
    package let node: NodeID
    package let label: ByteString
    package let isAdmin: Bool
    package let isMessageProxy: Bool
    package let isDataProxy: Bool
    /// Whether nodes that are not authorized may ask this one for files.
    package let isPublic: Bool

    package init(
      node: NodeID, label: ByteString = "", isAdmin: Bool = false, isMessageProxy: Bool = false,
      isDataProxy: Bool = false,
      isPublic: Bool = false
    ) {
      self.node = node
      self.label = label
      self.isAdmin = isAdmin
      self.isMessageProxy = isMessageProxy
      self.isDataProxy = isDataProxy
      self.isPublic = isPublic
    }
  }

  package let label: ByteString
  package let bootstrapAddresses: [Endpoint]
  private let members: [NodeID: Member]

  package init(label: ByteString, bootstrapAddresses: [Endpoint], members: [Member]) {
    self.label = label
    self.bootstrapAddresses = bootstrapAddresses
    self.members = Dictionary(members.map { ($0.node, $0) }) { _, later in later }
  }

  /// Whether any member answers nodes that are not authorized.
  package var hasPublicMember: Bool { members.values.contains { $0.isPublic } }

  /// The entry of this node; nil where it is not authorized.
  package func member(_ node: NodeID) -> Member? { members[node] }
}

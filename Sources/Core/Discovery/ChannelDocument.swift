package import Primitives

/// The document at a channel's address: lists the channel's members and its bootstrap nodes.
package struct ChannelDocument: Hashable, Sendable {
  /// Most nodes that a document may list.
  package static let maximumMembers = 10_000
  /// Most bootstrap nodes that a document may name: each of its readers dials all of them.
  package static let maximumBootstraps = 64

  /// A member of the channel and its rights.
  package struct Member: Hashable, Sendable {
    package let node: NodeID
    package let label: ByteString
    package let isAdmin: Bool
    package let isMessageProxy: Bool
    package let isDataProxy: Bool
    /// Whether nodes that are not authorized may request files from this one.
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

    /// What it may relay between the channel's members; nil for nothing.
    package var relayedTraffic: RelayedTraffic? {
      RelayedTraffic(isMessageProxy: isMessageProxy, isDataProxy: isDataProxy)
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

  /// Whether any member serves nodes that are not authorized.
  package var hasPublicMember: Bool { members.values.contains { $0.isPublic } }

  /// How many nodes it authorizes.
  package var memberCount: Int { members.count }

  /// Its entries, in the order of the nodes.
  package var membersInOrder: [Member] { members.values.sorted { $0.node < $1.node } }

  /// The nodes whose entries differ from those of an earlier document, or are only in one of the two.
  package func changes(since earlier: ChannelDocument?) -> (added: [Member], removed: [Member], changed: [Member]) {
    let earlierMembers = earlier?.members ?? [:]
    let added = membersInOrder.filter { earlierMembers[$0.node] == nil }
    let removed = (earlier?.membersInOrder ?? []).filter { members[$0.node] == nil }
    let changed = membersInOrder.filter { member in earlierMembers[member.node].map { $0 != member } ?? false }
    return (added, removed, changed)
  }

  /// The entry of this node; nil if it is not authorized.
  package func member(_ node: NodeID) -> Member? { members[node] }
}

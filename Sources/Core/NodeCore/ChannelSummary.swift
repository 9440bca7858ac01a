package import Discovery
package import Primitives

/// What a node knows about a channel's members, for a report to its owner.
package struct ChannelSummary: Hashable, Sendable {
  /// A member, or a node that knows the channel and is not listed in its document.
  package struct Member: Hashable, Sendable {
    package let node: NodeID
    /// The name that it has stated, or else the one in the document.
    package let label: String
    /// Name and version of its software, as it states them; empty unless it is linked.
    package let software: String
    /// Its entry in the channel's document; nil if it has none, and in a channel by name.
    package let entry: ChannelDocument.Member?
    package let isLinked: Bool
    /// Whether it is linked, or has lately announced itself.
    package let isOnline: Bool
    /// Whether it has refused a question of this node over the channel, and has not answered one since.
    package let refuses: Bool
  }

  package let membership: Channel.Membership
  /// Other nodes that are online, and those that the channel's document lists: in the order of the nodes.
  package let members: [Member]
}

extension NodeCore {
  /// What is known about the members of a joined channel; nil if the channel is not joined.
  package func channelSummary(of topic: Topic, at now: Timestamps) -> ChannelSummary? {
    membership[topic].map { channel in
      ChannelSummary(membership: channel.membership, members: members(of: channel, at: now))
    }
  }

  private func members(of channel: Channel, at now: Timestamps) -> [ChannelSummary.Member] {
    let document: ChannelDocument? = if case .byDocument(let document) = channel.membership { document } else { nil }
    let direct = Set(peers.linked.filter { $0.proven.contains(channel.topic) }.map(\.node))
    let announced = Set(introductions.members(of: channel.topic, except: node, at: now.wall).map(\.node))
      .filter { !reputation.hasDeparted($0) }
    let listed = Set(document?.membersInOrder.map(\.node) ?? [])
    return direct.union(announced).union(listed).filter { $0 != node }.sorted().map { other in
      let (hello, entry) = (peers.peer(of: other)?.hello, document?.member(other))
      let stated = hello?.label ?? ""
      return ChannelSummary.Member(
        node: other, label: stated.isEmpty ? entry?.label.text ?? "" : stated, software: hello?.software ?? "",
        entry: entry, isLinked: direct.contains(other), isOnline: direct.contains(other) || announced.contains(other),
        refuses: reputation.refuses(other, over: channel.topic))
    }
  }
}

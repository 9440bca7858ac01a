package import Primitives

/// A channel that this node has joined, with what it knows about the channel's members.
package struct Channel: Hashable, Sendable {
  /// Which nodes are members of a channel.
  package enum Membership: Hashable, Sendable {
    /// Every node that knows the channel's name.
    case byName
    /// The nodes that the channel's document lists; nil if the document has never been read.
    case byDocument(ChannelDocument?)
  }

  /// The name or address as the user typed it, byte for byte: two spellings of a word are two channels on every node.
  package let address: ByteString
  package let secret: ChannelSecret
  package let membership: Membership
  /// Whether this node's owner allows nodes that are not authorized to ask it for files, if the document allows that
  /// too.
  package let isPublic: Bool
  /// What this node's owner lets it relay between the channel's members, if the document allows that too; nil for nothing.
  package let offered: RelayedTraffic?
  /// The bootstrap nodes that were named when this node joined, as in an invite.
  package let namedBootstraps: [Address]

  package init(
    address: ByteString, secret: ChannelSecret, membership: Membership, isPublic: Bool = false,
    offered: RelayedTraffic? = nil, namedBootstraps: [Address] = []
  ) {
    self.address = address
    self.secret = secret
    self.membership = membership
    self.isPublic = isPublic
    self.offered = offered
    self.namedBootstraps = namedBootstraps
  }

  package var topic: Topic { secret.topic }

  /// The TCP addresses of the channel's bootstrap nodes, according to its document and as they were named.
  package var bootstrapAddresses: [Endpoint] {
    let named = namedBootstraps.compactMap(\.tcpEndpoint)
    guard case .byDocument(let document) = membership else { return named }
    return (document?.bootstrapAddresses ?? []) + named
  }

  /// Whether `server` may report and send stored files to `asker`, given that both have proved that they know the
  /// channel.
  package func permits(_ asker: NodeID, toAsk server: NodeID, serverIsPublic: Bool) -> Bool {
    switch membership {
    case .byName: return true
    case .byDocument(nil): return false
    case .byDocument(let document?):
      guard let entry = document.member(server) else { return false }
      return document.member(asker) != nil || (entry.isPublic && serverIsPublic)
    }
  }

  /// Whether a bootstrap node in the channel gives `node` the addresses of the channel's members.
  package func introduces(_ node: NodeID) -> Bool {
    switch membership {
    case .byName, .byDocument(nil): true
    // A node that is not authorized may still ask the public ones, so it must be able to find them.
    case .byDocument(let document?): document.member(node) != nil || document.hasPublicMember
    }
  }

  /// Whether the document lists this node, or the channel needs no list.
  package func lists(_ node: NodeID) -> Bool {
    switch membership {
    case .byName: true
    case .byDocument(let document): document?.member(node) != nil
    }
  }

  /// What `relay` relays between the channel's members, if its owner lets it relay this; nil if it may not.
  package func granted(_ offered: RelayedTraffic, to relay: NodeID) -> RelayedTraffic? {
    switch membership {
    case .byName: offered
    case .byDocument(let document): document?.member(relay)?.relayedTraffic.map { min($0, offered) }
    }
  }

  /// Whether one of these nodes may request files from the other.
  package func connects(_ one: NodeID, _ other: NodeID) -> Bool {
    permits(one, toAsk: other, serverIsPublic: true) || permits(other, toAsk: one, serverIsPublic: true)
  }
}

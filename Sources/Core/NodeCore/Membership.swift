import Crypto
import Discovery
import Feeds
import Primitives
import Wire

/// The channels that this node has joined, and the permissions between it and each peer.
struct Membership: Sendable {
  private let node: NodeID
  private var channels: [Topic: Channel] = [:]
  /// The channels in the order of their topics.
  private(set) var inOrder: [Channel] = []
  /// The links whose peers have proved that they know a channel, or named its topic, so that a change of the channel
  /// affects only those.
  private var knowing: [Topic: Set<LinkID>] = [:]
  /// Proofs of peers computed so far: the expensive part of a hello. Tests use it to bound the cost of a message.
  private(set) var checkedProofs: UInt64 = 0

  init(node: NodeID) { self.node = node }

  // MARK: Channels

  var isEmpty: Bool { channels.isEmpty }
  var topics: Set<Topic> { Set(channels.keys) }

  subscript(topic: Topic) -> Channel? { channels[topic] }

  /// Replaces the joined channels.
  ///
  /// - Returns: the topics whose channels were added, removed or changed.
  mutating func join(_ joined: [Channel]) -> Set<Topic> {
    let old = channels
    channels = Dictionary(joined.map { ($0.topic, $0) }) { first, _ in first }
    inOrder = channels.values.sorted { $0.topic < $1.topic }
    return Set(old.keys).union(channels.keys).filter { old[$0] != channels[$0] }
  }

  /// The name of a node in the documents of the channels; empty if none lists it with a name.
  func label(of node: NodeID) -> String {
    for case .byDocument(let document?) in inOrder.map(\.membership) {
      if let label = document.member(node)?.label, !label.isEmpty { return label.text }
    }
    return ""
  }

  // MARK: Proofs

  /// The proofs of this node's channels for the link with this binding, in an order that says nothing about them.
  func proofs(binding: [UInt8]) -> [ChannelProof] {
    inOrder.prefix(WireLimits.channels).map { $0.secret.proof(by: node, binding: binding) }.sorted()
  }

  /// What stands for a channel in this node's requests on the link with this binding; nil if it is not joined.
  func proof(of topic: Topic, binding: [UInt8]) -> ChannelProof? {
    channels[topic]?.secret.proof(by: node, binding: binding)
  }

  /// The topics that are named to bootstrap nodes.
  var namedTopics: [Topic] { inOrder.prefix(WireLimits.channels).map(\.topic) }

  /// The proofs by which the peer shows that it knows each of this node's channels. Those of `peer.expected` are not
  /// computed again.
  mutating func expectedProofs(of peer: Peer) -> [ChannelProof: Topic] {
    var expected = peer.expected.filter { channels[$0.value] != nil }
    guard expected.count < channels.count else { return expected }
    let known = Set(expected.values)
    for channel in inOrder where !known.contains(channel.topic) {
      checkedProofs += 1
      expected[channel.secret.proof(by: peer.node, binding: peer.facts.binding)] = channel.topic
    }
    return expected
  }

  /// Records the topics that a peer knows now; none once its link is gone.
  mutating func setKnown(by link: LinkID, from old: Set<Topic>, to new: Set<Topic>) {
    // in any order: each topic has its own set
    for topic in old.subtracting(new) {
      knowing[topic]?.remove(link)
      if knowing[topic]?.isEmpty == true { knowing[topic] = nil }
    }
    // in any order: each topic has its own set
    for topic in new.subtracting(old) { knowing[topic, default: []].insert(link) }
  }

  /// The links whose peers know one of these topics, in order.
  func links(knowing topics: Set<Topic>) -> [LinkID] {
    topics.reduce(into: Set<LinkID>()) { $0.formUnion(knowing[$1] ?? []) }.sorted()
  }

  // MARK: Permissions

  /// Whether the peer may request files from this node over the channel for which it gave this proof.
  func mayServe(_ peer: Peer, over proof: ChannelProof) -> Bool {
    guard peer.isActive, let topic = peer.topic(of: proof), let channel = channels[topic] else { return false }
    return channel.permits(peer.node, toAsk: node, serverIsPublic: channel.isPublic)
  }

  /// The channels over which this node may request files from the peer.
  func askableTopics(of peer: Peer) -> [Topic] {
    guard peer.isActive else { return [] }
    return peer.proven.sorted().filter { channels[$0]?.permits(node, toAsk: peer.node, serverIsPublic: true) ?? false }
  }

  /// The same, with what stands for each channel on the peer's link.
  func askableChannels(of peer: Peer) -> [AskableChannel] {
    askableTopics(of: peer).compactMap { topic in
      proof(of: topic, binding: peer.facts.binding).map { AskableChannel(topic: topic, proof: $0) }
    }
  }

  // MARK: Relaying

  /// What this node relays between the members of a channel; nil for nothing.
  func relayed(over topic: Topic) -> RelayedTraffic? {
    channels[topic].flatMap { channel in channel.offered.flatMap { channel.granted($0, to: node) } }
  }

  /// Whether the node is a member for which this node relays over the channel.
  func relays(for peer: Peer, over topic: Topic) -> Bool {
    peer.isActive && peer.proven.contains(topic) && channels[topic]?.lists(peer.node) ?? false
  }

  /// The channels for which this node relays between members, and tells the peer so.
  func relayOffers(to peer: Peer) -> [RelayOffer] {
    peer.proven.sorted().compactMap { topic in
      guard relays(for: peer, over: topic), let traffic = relayed(over: topic) else { return nil }
      return proof(of: topic, binding: peer.facts.binding).map {
        RelayOffer(channel: $0, includesData: traffic == .everything)
      }
    }
  }

  /// What the peer relays for this node, as far as the channels' documents allow it.
  func traffic(relayedBy peer: Peer) -> [Topic: RelayedTraffic] {
    var traffic: [Topic: RelayedTraffic] = [:]
    for offer in peer.offers {
      guard let topic = peer.topic(of: offer.channel) else { continue }
      traffic[topic] = channels[topic]?.granted(offer.includesData ? .everything : .messages, to: peer.node)
    }
    return traffic
  }

  /// The topics whose members are introduced to the peer.
  func topicsToIntroduce(to peer: Peer, isBootstrap: Bool) -> Set<Topic> {
    let named = isBootstrap ? peer.known : peer.proven
    return named.filter { channels[$0]?.introduces(peer.node) ?? isBootstrap }
  }
}

import Crypto
import Discovery
import Primitives
import Wire

/// The channels that this node has joined, and the permissions between it and each peer.
struct Membership: Sendable {
  private let node: NodeID
  private var channels: [Topic: Channel] = [:]
  /// The channels in the order of their topics.
  private(set) var inOrder: [Channel] = []
  /// The links whose peers claim to know a topic, so that a change of its channel affects only those.
  private var claims: [Topic: Set<LinkID>] = [:]
  /// Proofs checked so far: the expensive part of a hello. Tests use it to bound the cost of a message.
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

  // MARK: Proofs

  /// The proofs of this node's channels for the link with this binding.
  func proofs(binding: [UInt8]) -> [ChannelProof] {
    inOrder.prefix(WireLimits.channels).map { $0.secret.proof(by: node, binding: binding) }
  }

  /// Records the topics that a peer claims now; none once its link is gone.
  mutating func setClaims(of link: LinkID, from old: Set<Topic>, to new: Set<Topic>) {
    // in any order: each topic has its own set
    for topic in old.subtracting(new) {
      claims[topic]?.remove(link)
      if claims[topic]?.isEmpty == true { claims[topic] = nil }
    }
    // in any order: each topic has its own set
    for topic in new.subtracting(old) { claims[topic, default: []].insert(link) }
  }

  /// The links whose peers claim to know one of these topics, in order.
  func links(claiming topics: Set<Topic>) -> [LinkID] {
    topics.reduce(into: Set<LinkID>()) { $0.formUnion(claims[$1] ?? []) }.sorted()
  }

  /// The channels for which the peer's proofs are valid. Topics that it has proved before are checked again only if
  /// they are among `changed`; nil checks all of them.
  mutating func proven(by peer: Peer, changed: Set<Topic>?) -> Set<Topic> {
    let unchanged = changed.map { peer.proven.subtracting($0) } ?? []
    var proven = unchanged
    for proof in peer.proofs where changed?.contains(proof.topic) ?? true {
      guard let channel = channels[proof.topic] else { continue }
      checkedProofs += 1
      if channel.secret.accepts(proof, from: peer.node, binding: peer.facts.binding) { proven.insert(proof.topic) }
    }
    return proven
  }

  // MARK: Permissions

  /// Whether the peer may request files from this node over the channel with this topic.
  func mayServe(_ peer: Peer, over topic: Topic) -> Bool {
    guard peer.isActive, peer.proven.contains(topic), let channel = channels[topic] else { return false }
    return channel.permits(peer.node, toAsk: node, serverIsPublic: channel.isPublic)
  }

  /// The channels over which this node may request files from the peer.
  func askableTopics(of peer: Peer) -> [Topic] {
    guard peer.isActive else { return [] }
    return peer.proven.sorted().filter { channels[$0]?.permits(node, toAsk: peer.node, serverIsPublic: true) ?? false }
  }

  /// The topics whose members are introduced to the peer.
  func topicsToIntroduce(to peer: Peer, isBootstrap: Bool) -> Set<Topic> {
    let named = isBootstrap ? peer.claimed : peer.proven
    return named.filter { channels[$0]?.introduces(peer.node) ?? isBootstrap }
  }
}

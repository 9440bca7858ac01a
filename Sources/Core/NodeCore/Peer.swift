import Primitives
import Wire

/// A link and what the node at its other end has said about itself.
struct Peer: Sendable {
  let link: LinkID
  let facts: LinkFacts
  let openedAt: Instant
  /// Nil until it has arrived; until then the peer may request nothing.
  var hello: Hello?
  /// Its latest proofs of channels.
  var proofs: Set<ChannelProof> = []
  /// The proofs by which it would show that it knows each of this node's channels.
  var expected: [ChannelProof: Topic] = [:]
  /// The channels of this node for which its proofs are valid.
  var proven: Set<Topic> = []
  /// The topics that it has named to this node, which is a bootstrap node and introduces it by them.
  var named: Set<Topic> = []
  /// The topics that this node has named to it, a bootstrap node.
  var toldTopics: [Topic] = []
  /// The channels for whose members it relays, according to its latest message about that.
  var offers: [RelayOffer] = []
  /// The channels for whose members this node relays, as it last told the peer.
  var toldOffers: [RelayOffer] = []
  /// The topics for which it was sent this node's record.
  var announced: Set<Topic> = []
  /// The topics for which it was sent the other members' records.
  var introduced: Set<Topic> = []
  /// Questions of the peer that wait for the store.
  var lookups: Set<LookupID> = []
  var isClosing = false
  /// Whether an answer to something that was sent on the link is overdue.
  var isSilent = false
  /// What was last measured. It is kept up to date only while its node has several links.
  var measured: LinkMeasurement?
  /// Whether this node dialed the peer as a bootstrap node: any node can claim to be one.
  var isWantedAsBootstrap = false
  /// Whether this node dialed the peer because an announcement in a local network led there: it may be any node.
  var isFromAnnouncement = false
  /// Whether a link by QUIC was dialed beside it.
  var hasTriedQUIC = false
  /// Whether it leads through a relay that passes on messages only.
  var isForMessagesOnly = false
  /// Whether it was opened only to learn where its other end sees this node.
  var isObservation = false
  /// Whether another process has proved the same node ID and may still run: the link is not used until that is known.
  var isContested = false
  /// What the peer has announced on a contested link.
  var heldRecords: [PresenceRecord] = []
  /// The topics by which a bootstrap node introduces the peer; nil for all that it names.
  var introducedTopics: Set<Topic>?

  var node: NodeID { facts.peer }
  /// The number by which both ends name the link.
  var number: UInt64 { LaneRequest(linkWithBinding: facts.binding).link }
  var isActive: Bool { hello != nil && !isClosing }
  /// Whether the node may have several links.
  var allowsSeveral: Bool { has(Hello.severalLinks) }
  var isBootstrap: Bool { isWantedAsBootstrap && hello?.isBootstrap ?? false }
  /// The process at the other end; nil if it does not say.
  var instance: UInt64? { hello?.instance }
  /// Every topic that it has proved, or has named and is introduced by.
  var known: Set<Topic> { proven.union(introducedTopics.map { named.intersection($0) } ?? named) }

  /// The channel for which it has given this proof; nil if the proof is not valid.
  func topic(of proof: ChannelProof) -> Topic? { proofs.contains(proof) ? expected[proof] : nil }

  /// Whether it has said that it has this feature.
  func has(_ feature: UInt64) -> Bool { hello.map { $0.features & feature != 0 } ?? false }
}

package import Primitives
import Wire

/// One link and what the node at its other end has said of itself.
struct Peer: Sendable {
  let link: LinkID
  let facts: LinkFacts
  let openedAt: Instant
  /// Nil until it has come; until then the peer may ask nothing.
  var hello: Hello?
  /// What it last said of its channels.
  var proofs: [ChannelProof] = []
  /// The channels of this node on which its proof holds.
  var proven: Set<Topic> = []
  /// The topics of which it has been told that this node serves them.
  var announced: Set<Topic> = []
  /// The topics of which it has been told who else serves them.
  var introduced: Set<Topic> = []
  /// Questions of the peer's that wait for the store.
  var lookups: Set<LookupID> = []
  var isClosing = false
  /// Whether this node wanted the peer as a bootstrap node: anybody may say that they are one.
  var isWantedAsBootstrap = false

  var node: NodeID { facts.peer }
  var isActive: Bool { hello != nil && !isClosing }
  var isBootstrap: Bool { isWantedAsBootstrap && hello?.isBootstrap ?? false }
  /// Every topic that it has named, proved or not: a bootstrap node introduces by these.
  var claimed: Set<Topic> { Set(proofs.map(\.topic)) }
}

/// What others may see of a peer, for status pages and tests.
package struct PeerSummary: Hashable, Sendable {
  package let node: NodeID
  package let label: String
  package let isBootstrap: Bool
  package let remote: Endpoint?
  /// The channels that both have proved to know.
  package let topics: Set<Topic>
  /// By how many seconds its clock is ahead of this one's.
  package let clockOffset: Int64
  /// How often it has given bytes, or said something, that is not so.
  package let badAnswers: Int
}

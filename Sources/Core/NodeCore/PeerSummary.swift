package import Primitives

/// The visible state of a peer, for status pages and tests.
package struct PeerSummary: Hashable, Sendable {
  package let node: NodeID
  package let label: String
  /// Name and version of its software, as it states them.
  package let software: String
  package let isBootstrap: Bool
  package let remote: Address?
  /// The channels that both have proved to know.
  package let topics: Set<Topic>
  /// How many seconds its clock is ahead of this one's.
  package let clockOffset: Int64
  /// How many times it has sent wrong bytes or made a false claim.
  package let badAnswers: Int
  /// Its links, the one in use first.
  package let paths: [PathSummary]
}

/// The visible state of one link to a peer.
package struct PathSummary: Hashable, Sendable {
  /// Which of its two ends opened it.
  package enum Dialer: String, Sendable {
    case thisNode
    case otherNode
    /// Both did, at the same moment.
    case both
  }

  package let link: LinkID
  package let kind: PathKind
  /// The address of the other end, as seen from here.
  package let remote: Address?
  package let dialer: Dialer
  package let isUsed: Bool
  /// Why it is used, or is not.
  package let reason: PathReason
  package let openedAt: Instant
}

extension NodeCore {
  /// How many nodes are linked.
  package var linkedCount: Int { peers.linked.count }

  /// The active peers, for status pages and tests.
  package var activePeers: [PeerSummary] {
    peers.linked.map { peer in
      PeerSummary(
        node: peer.node, label: peer.hello?.label ?? "", software: peer.hello?.software ?? "",
        isBootstrap: peer.isBootstrap, remote: peer.facts.remote, topics: peer.proven,
        clockOffset: reputation.clockOffset(of: peer.node) ?? 0, badAnswers: reputation.badAnswers(of: peer.node),
        paths: paths(of: peer.node))
    }.sorted { $0.node < $1.node }
  }

  private func paths(of other: NodeID) -> [PathSummary] {
    guard let choice = peers.choice(of: other) else { return [] }
    let reasons = choice.reasons(among: peers.candidates(of: other), decides: decides(for: other))
    let paths = peers.activeLinks(to: other).compactMap { peers[$0] }.map { peer in
      PathSummary(
        link: peer.link, kind: peer.facts.path, remote: peer.facts.remote, dialer: peer.facts.dialer,
        isUsed: peer.link == choice.link, reason: reasons[peer.link] ?? .only, openedAt: peer.openedAt)
    }
    return paths.filter(\.isUsed) + paths.filter { !$0.isUsed }
  }
}

extension LinkFacts {
  fileprivate var dialer: PathSummary.Dialer {
    path == .punched ? .both : dial == nil ? .otherNode : .thisNode
  }
}

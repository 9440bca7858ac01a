package import Discovery
import Primitives
import Wire

/// Which nodes a bootstrap node introduces to each other and relays for.
extension NodeCore {
  /// Sets whom this node introduces; nil for any node. Other nodes' links end, unless they share a channel with this one.
  package mutating func setIntroductionLimit(_ limit: IntroductionLimit?, at now: Timestamps) {
    guard introductionLimit != limit else { return }
    introductionLimit = limit
    for link in peers.links {
      limitIntroductions(of: link)
      guard peers.active(link) != nil, !isIntroduced(link) else { continue }
      refuseIntroduction(of: link, at: now)
    }
    runDials(now)
  }

  /// Determines by which topics the peer is introduced, from its proofs.
  mutating func limitIntroductions(of link: LinkID) {
    guard configuration.isBootstrap, let peer = peers[link] else { return }
    let topics = introductionLimit.map { limit in
      limit.topics(of: peer.node, proving: peer.proofs, binding: peer.facts.binding)
    }
    changeKnown(by: link) { $0.introducedTopics = topics ?? nil }
  }

  /// Whether the peer may be linked: this node introduces it, shares a channel with it, or is introduced by it.
  func isIntroduced(_ link: LinkID) -> Bool {
    guard let peer = peers[link] else { return false }
    return peer.introducedTopics?.isEmpty != true || !peer.proven.isEmpty || peer.isBootstrap
  }

  mutating func refuseIntroduction(of link: LinkID, at now: Timestamps) {
    noteNotIntroduced(link, at: now)
    refuse(
      link, .notIntroduced,
      "this bootstrap node introduces only nodes, and members of channels, that its keeper has named", at: now)
  }
}

import Discovery
import Primitives
import Wire

/// What the owner of this node should know about other nodes, and do.
extension NodeCore {
  /// The problems with other nodes, of the last quarter of an hour.
  package func currentNotices(at now: Timestamps) -> [NodeNotice] {
    notices.current(at: now.instant).filter { $0.kind != .notIntroduced || !peers.isLinked($0.node) }
      + partialIntroducers
  }

  /// Whom this node introduces, for people; nil if it is not a bootstrap node.
  package var introducesText: String? {
    guard configuration.isBootstrap else { return nil }
    guard let limit = introductionLimit else { return "any node that dials it" }
    let nodes = "\(limit.nodes.count) node\(limit.nodes.count == 1 ? "" : "s")"
    let channels = "members of \(limit.channels.count) channel\(limit.channels.count == 1 ? "" : "s")"
    return "only \(nodes) by ID, and \(channels)"
  }

  mutating func add(_ notice: NodeNotice, at now: Timestamps) {
    if notices.add(notice, at: now.instant) { emit(.event(.notice(notice))) }
  }

  /// Nodes that this one has dialed as bootstrap nodes, that are none, and that are linked because of common channels: they
  /// introduce the members of those only.
  private var partialIntroducers: [NodeNotice] {
    peers.linked.filter { peer in
      peer.isWantedAsBootstrap && !peer.isBootstrap && !membership.topics.isSubset(of: peer.proven)
    }.sorted { $0.node < $1.node }.map { peer in
      NodeNotice(
        kind: .notBootstrap, node: peer.node,
        summary:
          "\(place(of: peer)) leads to \(name(of: peer.node)), which is not a bootstrap node: it introduces this "
          + "node only to members of the channels that both have joined, and those are not all.",
        advice: Self.adviceForIntroduction)
    }
  }

  private static let adviceForIntroduction = [
    "There: start the daemon with --isbootstrap, or join the same channel (kachery channel join NAME).",
    "Here: name a bootstrap node with --bootstrap HOST:PORT, or join a channel of that node.",
  ]

  /// The bootstrap address at which this node has dialed the peer.
  private func place(of peer: Peer) -> String {
    let places = introductions.bootstrapAddresses(of: peer.node).map { "\($0)" }.joined(separator: ", ")
    return "The bootstrap address \(places.isEmpty ? peer.place : places)"
  }

  /// The link ends because the two nodes share no channel, and neither is a bootstrap node for the other.
  mutating func noteNoCommonChannel(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], !peer.isFromAnnouncement else { return }
    let who = name(of: peer.node, labeled: peer.hello?.label)
    guard !peer.isWantedAsBootstrap else {
      return add(
        NodeNotice(
          kind: .notBootstrap, node: peer.node,
          summary:
            "\(place(of: peer)) leads to \(who), which is not a bootstrap node and has no channel in common with "
            + "this one: it does not introduce this node, and the link was ended.", advice: Self.adviceForIntroduction
        ),
        at: now)
    }
    let place = peer.place.isEmpty ? "" : " at \(peer.place)"
    let deed = peer.facts.dial == nil ? "asked this node for a link" : "was dialed"
    add(
      NodeNotice(
        kind: .noCommonChannel, node: peer.node,
        summary: "\(who)\(place) \(deed), but has no channel in common with this one, so the link was ended.",
        advice: [
          "If this node is to introduce others, start it with --isbootstrap.",
          "If the two are to share files, let both join the same channel (kachery channel join NAME); names are compared "
            + "byte for byte.",
        ]), at: now)
  }

  /// This bootstrap node does not introduce the peer.
  mutating func noteNotIntroduced(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link] else { return }
    let place = peer.place.isEmpty ? "" : " at \(peer.place)"
    add(
      NodeNotice(
        kind: .notIntroduced, node: peer.node,
        summary:
          "\(name(of: peer.node, labeled: peer.hello?.label))\(place) asked this bootstrap node to introduce it, and "
          + "was refused: it is not among those that --introduce-only names.",
        advice: [
          "To introduce it, start this node with --introduce-only \(peer.node.hex) as well, or with its channel."
        ]),
      at: now)
  }

  /// A peer has said why it ends the link.
  mutating func note(_ goodbye: Goodbye, of peer: Peer, at now: Timestamps) {
    switch goodbye.code {
    case .copy:
      identities.refused(by: peer.node, at: now.instant)
      guard peer.node != node else { return }
      add(.copy(of: node, at: "", accordingTo: .refusedThisNode(name(of: peer.node))), at: now)
    case .notIntroduced:
      add(
        NodeNotice(
          kind: .notIntroduced, node: peer.node,
          summary: "\(place(of: peer)) leads to \(name(of: peer.node, labeled: peer.hello?.label)), which refuses this "
            + "node: \(goodbye.reason).",
          advice: [
            "Ask its keeper to start it with --introduce-only \(node.hex), this node's ID, or with a channel of this node.",
            "Or name another bootstrap node with --bootstrap HOST:PORT.",
          ]), at: now)
    case .noCommonChannel where peer.isWantedAsBootstrap: noteNoCommonChannel(peer.link, at: now)
    default: emit(.event(.refused(peer.node, goodbye, byPeer: true)))
    }
  }

  private func name(of node: NodeID, labeled label: String?) -> String {
    guard let label, !label.isEmpty else { return name(of: node) }
    return "node \(node.short) ('\(label)')"
  }
}

extension Goodbye {
  /// Whether the refusal is an event of its own. Nodes end duplicate links all the time, and the other reasons have a
  /// notice.
  var isEvent: Bool { ![.duplicate, .noCommonChannel, .copy, .notIntroduced].contains(code) }
}

extension NodeNotice {
  private static let adviceForCopies = [
    "Stop one of the two.",
    "If one is meant to be a copy, give it an identity of its own: stop it, move its private.pem and public.pem away "
      + "(from the folder of KACHERY_P2P_CONFIG_DIR, ~/.kachery-p2p, or from the storage directory), and start it again.",
  ]

  /// How this node has learned of another process with its identity.
  enum Witness {
    /// It has met that process.
    case itself
    /// This node is linked to that process, and has refused a link to this one.
    case refusedThisNode(String)
    /// This node has refused a link to that process.
    case refusedOtherNode(String)
  }

  /// Another process has this node's identity.
  ///
  /// - Parameters:
  ///   - place: where that process is; empty if it is not known.
  static func copy(of node: NodeID, at place: String, accordingTo witness: Witness) -> NodeNotice {
    let other = "another running node\(place.isEmpty ? "" : ", at \(place),") has this node's identity"
    let minutes = IdentityContests.pause.components.seconds / 60
    let summary =
      switch witness {
      case .itself: "\(other.prefix(1).uppercased())\(other.dropFirst()): this node has met it."
      case .refusedThisNode(let name):
        "According to \(name), \(other). That one is linked to it and stays so; this node tries again every \(minutes) "
          + "minutes."
      case .refusedOtherNode(let name):
        "According to \(name), \(other). It was refused there, and this node stays linked."
      }
    return NodeNotice(kind: .copy, node: node, summary: summary, advice: adviceForCopies)
  }

  /// Two processes have the identity of another node.
  static func copies(of first: Peer, and second: Peer, named name: String) -> NodeNotice {
    let places = [first.place, second.place].filter { !$0.isEmpty }
    let which = places.count == 2 ? ", at \(places[0]) and at \(places[1])" : ""
    return NodeNotice(
      kind: .copy, node: first.node,
      summary: "Two running nodes have the identity of \(name)\(which). The first one stays linked, and the other is "
        + "refused.", advice: ["Their owner has to stop one of them, or give the copy an identity of its own."])
  }
}

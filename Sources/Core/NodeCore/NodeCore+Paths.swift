package import Primitives
import Wire

/// Several links to one node: which of them is used, and how long the others stay.
///
/// The node with the smaller ID decides, and says so by `prefer` over the link that it has chosen. The other node
/// follows, and repeats the message over that link. It changes on its own only if its link is lost or silent; then it
/// says so in the same way, and the deciding node follows or repeats its decision. So both use the same link once no
/// message is under way. A node also says it over the first link that it has dialed: the other node may still keep
/// an older link that this node has lost.
extension NodeCore {
  /// Most links to one node.
  package static let maximumLinksOfNode = 4
  /// How long the other links stay after a change.
  package static let reserveTime: Duration = .seconds(60)
  /// How long a further link stays if it is not chosen: long enough to be measured and to be faster for
  /// `LinkChoice.steadyTime`.
  package static let trialTime: Duration = .seconds(15)

  // MARK: Input

  /// An answer to something that was sent on the link is overdue: its node is dialed again beside it.
  package mutating func linkSilent(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], !peer.isSilent else { return }
    peers.change(link) { $0.isSilent = true }
    guard peer.isActive else { return }
    // Something may still be awaited over a link that is not used anymore.
    if peers.link(of: peer.node) != link { abandon(link, of: peer.node, at: now) }
    replacePath(of: peer.node, at: now)
    reviewPunching(of: peer.node, at: now)
    guard peers.candidates(of: peer.node).allSatisfy(\.isSilent) else {
      reviewDials(of: peer.node, at: now)
      return runDials(now)
    }
    for target in dialTargets(of: peer.node) { dials.silent(target, now: now.instant) }
    runDials(now)
  }

  /// Something has arrived on a link that was silent.
  package mutating func linkHeard(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], peer.isSilent else { return }
    peers.change(link) { $0.isSilent = false }
    guard peer.isActive else { return }
    reviewDials(of: peer.node, at: now)
    replacePath(of: peer.node, at: now)
    reviewPunching(of: peer.node, at: now)
    noteExpectations(at: now)
  }

  /// What was measured on a link. The owner reports it once the round trip is known, and then about every second while
  /// the node at the other end has several links, or the link leads through a relay and is not idle.
  package mutating func linkMeasured(
    _ link: LinkID, _ measured: LinkMeasurement, at now: Timestamps
  ) {
    guard let peer = peers[link] else { return }
    peers.change(link) { $0.measured = measured }
    guard peer.isActive else { return }
    tryQUIC(beside: link, at: now)
    let isNews = peer.measured.map { $0.showsWork != measured.showsWork } ?? true
    if isNews, peer.facts.path == .relayed { reviewPunching(of: peer.node, at: now) }
    guard decides(for: peer.node) else { return }
    improvePath(of: peer.node, at: now)
    closeIfUnneeded(link, at: now)
  }

  /// Changes to a better link if there is one; returns whether it was changed.
  @discardableResult
  private mutating func improvePath(of node: NodeID, at now: Timestamps) -> Bool {
    guard let better = peers.improvement(of: node, at: now.instant) else { return false }
    prefer(better, isForced: false, at: now)
    return true
  }

  /// The other node prefers the link with this number. A link that is not known, or silent, is ignored.
  mutating func take(preferred number: UInt64, from peer: Peer, at now: Timestamps) {
    let links = peers.activeLinks(to: peer.node).compactMap { peers[$0] }
    guard let named = links.first(where: { $0.number == number && !$0.isSilent && !$0.isContested }),
      peer.allowsSeveral,
      let current = peers.link(of: peer.node), current != named.link
    else { return }
    guard decides(for: peer.node) else { return prefer(named.link, isForced: false, at: now) }
    // The other node does not use the current link: it is lost or silent there, unless both have just dialed.
    let isNew = peers[current].map { now.instant - $0.openedAt < Self.crossingTime } ?? false
    guard !isNew, peers.grantsWish(of: peer.node, at: now.instant) else {
      return tellPreferred(of: peer.node)
    }
    prefer(named.link, isForced: true, at: now)
  }

  // MARK: Links that come and go

  /// Makes room for a further link of its node, by closing a silent one. Returns false if there is none; then `link` is
  /// closed.
  mutating func makeRoom(for link: LinkID, at now: Timestamps) -> Bool {
    guard let node = peers[link]?.node else { return false }
    let others = peers.candidates(of: node).filter { $0.link != link }
    guard others.count >= Self.maximumLinksOfNode else { return true }
    let silent = others.first { $0.isSilent && $0.link != peers.link(of: node) }
    let reason = "the two nodes have \(Self.maximumLinksOfNode) links"
    refuse(silent?.link ?? link, .duplicate, reason, at: now)
    return silent != nil
  }

  /// A further link of a linked node can be used.
  mutating func addPath(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], let current = peers.link(of: peer.node) else { return }
    reviewPermissions(of: [link], at: now)
    if peer.isBootstrap { introduce(to: current, at: now) }
    if replacePath(of: peer.node, at: now) { return }
    guard decides(for: peer.node), !improvePath(of: peer.node, at: now) else { return }
    tellPreferred(of: peer.node)
  }

  /// A link is gone: its node is reached over another one, or has left.
  mutating func leavePath(_ link: LinkID, of node: NodeID, at now: Timestamps) {
    guard peers.link(of: node) == link else {
      // The node may have been asked over it.
      return repeatQuestions(to: node, at: now)
    }
    guard !replacePath(of: node, at: now) else { return }
    peers.unchoose(node)
    emit(.event(.unlinked(node)))
    if introductions.forgetObserver(node) {
      updateOwnSide(at: now)
      reviewMapping(at: now)
    }
    transferEngine.peerLeft(node, at: now.instant)
    feedPeerLeft(node, at: now)
  }

  /// Changes to another link if the preferred one is lost or silent; returns whether it was changed.
  @discardableResult
  mutating func replacePath(of node: NodeID, at now: Timestamps) -> Bool {
    guard let other = peers.choice(of: node)?.replacement(among: peers.candidates(of: node)) else {
      return false
    }
    prefer(other, isForced: true, at: now)
    return true
  }

  /// Closes a link that is neither used nor needed as a reserve.
  private mutating func closeIfUnneeded(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers.active(link), let choice = peers.choice(of: peer.node),
      choice.link != link, !isStandby(peer),
      peer.measured?.isIdle == true, peer.lookups.isEmpty, feedEngine.isIdle(link),
      now.instant - peer.openedAt >= Self.trialTime,
      choice.changedAt.map({ now.instant - $0 >= Self.reserveTime }) ?? true
    else { return }
    refuse(link, .duplicate, "the two nodes have another link", at: now)
  }

  // MARK: Changes

  /// Whether this node decides which link to the other one is used.
  func decides(for other: NodeID) -> Bool { node < other }

  /// Uses this link of its node from now on.
  ///
  /// - Parameter isForced: whether the other link is lost or silent: what was sent over it may not have arrived.
  private mutating func prefer(_ link: LinkID, isForced: Bool, at now: Timestamps) {
    guard let peer = peers[link], let old = peers.link(of: peer.node), old != link else { return }
    peers.prefer(link, at: now.instant)
    emit(.link(.prefer(link)))
    if !isForced, let before = peers[old] {
      peers.change(link) {
        $0.announced = before.announced
        $0.introduced = before.introduced
      }
    }
    introduce(to: link, at: now)
    reviewPermissions(of: [link], at: now)
    askOpenQuestions(to: link, at: now)
    if isForced { abandon(old, of: peer.node, at: now) }
    tellPreferred(of: peer.node)
  }

  /// Requests over the preferred link of the node what is awaited over this one.
  private mutating func abandon(_ link: LinkID, of node: NodeID, at now: Timestamps) {
    if peers[link] != nil { emit(.link(.abandon(link))) }
    feedEngine.abandon(link, at: now.instant)
    drainFeeds()
    repeatQuestions(to: node, at: now)
  }

  /// Says over the first link to a node, which this node has dialed, that it is used.
  mutating func tellDialed(_ peer: Peer) {
    if peer.facts.dial != nil, peer.allowsSeveral { emit(.link(.send(peer.link, .prefer(peer.number)))) }
  }

  /// Says which link is used, over that link, if there are several.
  private mutating func tellPreferred(of node: NodeID) {
    guard peers.activeLinks(to: node).count > 1, let peer = peers.peer(of: node), peer.allowsSeveral
    else { return }
    emit(.link(.send(peer.link, .prefer(peer.number))))
  }
}

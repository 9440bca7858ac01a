import Primitives
import Wire

/// Two processes with one identity: the one that was linked first stays if it still answers, and both learn of the other.
///
/// A process chooses a number at its start and says it in hello. A link by a process with another number than the one
/// that is linked is not used until that has been asked whether it runs. If it answers, the new link is refused, and its
/// process dials this node again only after `IdentityContests.pause`. If it does not, or its links end, the new
/// process is the node: it has restarted, and the end of the old one went unnoticed.
extension NodeCore {
  /// Asks the process that is linked, if this link comes from another one.
  mutating func contest(_ link: LinkID, at now: Timestamps) {
    let rivals = rivals(of: link)
    guard let node = peers[link]?.node, rivals.contains(where: { !$0.isSilent }) else { return }
    peers.change(link) { $0.isContested = true }
    let number = identities.begin(node, at: now.instant)
    for rival in rivals { emit(.link(.send(rival.link, .identityQuery(number)))) }
  }

  /// Closes the links of the process that was linked before this one, if all of them are silent.
  mutating func closeSilentRivals(of link: LinkID, at now: Timestamps) {
    guard peers.active(link)?.isContested == false else { return }
    for rival in rivals(of: link) { refuse(rival.link, .duplicate, "the node has restarted", at: now) }
  }

  /// The links in use of another process with the identity of the one at the other end.
  private func rivals(of link: LinkID) -> [Peer] {
    guard let peer = peers[link], let instance = peer.instance else { return [] }
    return peers.activeLinks(to: peer.node).compactMap { peers[$0] }.filter { other in
      !other.isContested && other.instance.map { $0 != instance } ?? false
    }
  }

  private func contested(_ node: NodeID) -> [Peer] {
    peers.activeLinks(to: node).compactMap { peers[$0] }.filter(\.isContested)
  }

  /// The process that was linked first runs.
  mutating func answered(_ number: UInt64, by peer: Peer, at now: Timestamps) {
    guard !peer.isContested, identities.isAnswer(number, of: peer.node) else { return }
    identities.end(peer.node)
    let copies = contested(peer.node)
    guard let copy = copies.first else { return }
    for copy in copies {
      refuse(copy.link, .copy, "another running node with the same identity is linked here", at: now)
    }
    emit(.link(.send(peer.link, .identityCopy(copy.place))))
    add(.copies(of: peer, and: copy, named: name(of: peer.node)), at: now)
  }

  /// The process that was linked first has not answered in time.
  mutating func wakeIdentities(at now: Timestamps) {
    for node in identities.due(at: now.instant) {
      let lost = peers.activeLinks(to: node).filter { peers[$0]?.isContested == false }
      release(node, at: now)
      for link in lost { refuse(link, .duplicate, "the node has restarted", at: now) }
    }
  }

  /// The links of the process that was linked first may all have ended.
  mutating func releaseIfAlone(_ node: NodeID, at now: Timestamps) {
    guard identities.isOpen(node) else { return }
    let links = peers.activeLinks(to: node).compactMap { peers[$0] }
    guard links.allSatisfy(\.isContested) else { return }
    release(node, at: now)
  }

  /// The process of the oldest contested link is the node from now on. If there are others, they wait for its answer.
  private mutating func release(_ node: NodeID, at now: Timestamps) {
    identities.end(node)
    let contested = contested(node)
    guard let first = contested.first else { return }
    for peer in contested where peer.instance == first.instance {
      peers.change(peer.link) {
        $0.isContested = false
        $0.heldRecords = []
      }
      guard let released = peers[peer.link] else { continue }
      recordPresence(peer.heldRecords, from: released, at: now)
    }
    guard contested.contains(where: { $0.instance != first.instance }) else { return }
    let number = identities.begin(node, at: now.instant)
    emit(.link(.send(first.link, .identityQuery(number))))
  }

  /// Keeps what a peer announces on a contested link until it is known whether it is the node.
  mutating func hold(_ records: [PresenceRecord], from peer: Peer) {
    peers.change(peer.link) { $0.heldRecords = Array(($0.heldRecords + records).suffix(WireLimits.records)) }
  }

  // MARK: This node's identity

  /// The node at the other end has this node's ID: it is this process, or one with a copy of the key.
  mutating func meetOwnIdentity(_ link: LinkID, at now: Timestamps) {
    guard let peer = peers[link], let other = peer.instance, other != instance else {
      return refuse(link, .duplicate, "this is the same node", at: now)
    }
    add(.copy(of: node, at: peer.place, accordingTo: .itself), at: now)
    refuse(link, .copy, "this is another running node with the same identity", at: now)
  }

  /// Another node has refused a link to another process with this node's identity.
  ///
  /// - Parameter place: where that process is, as far as it is known.
  mutating func noteCopy(at place: String, accordingTo peer: Peer, at now: Timestamps) {
    guard peer.node != node else { return }
    add(.copy(of: node, at: place, accordingTo: .refusedOtherNode(name(of: peer.node))), at: now)
  }
}

extension Peer {
  /// Where it is seen, for people; empty if it is not known.
  var place: String {
    facts.path.showsAddresses ? facts.remote.map { "\($0)" } ?? "" : ""
  }
}

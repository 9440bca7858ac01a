package import Discovery
import Primitives
import Wire

/// Members that were linked before a restart: they are dialed where they were, whether or not a bootstrap node answers.
extension NodeCore {
  /// Takes over what an earlier process of this node has stored; called before the channels are set.
  package mutating func restore(_ members: [RememberedMember], at now: Timestamps) {
    remembered.restore(members, at: now.wall)
  }

  /// Every channel that is joined has been set: the members of others are forgotten.
  package mutating func forgetMembersOfOtherChannels(at now: Timestamps) {
    remembered.forget(at: now.instant) { membership[$0] == nil }
  }

  /// What to store when the node stops.
  package mutating func membersToSave(at now: Timestamps) -> [RememberedMember] {
    for peer in peers.linked { remember(peer.node, at: now) }
    remembered.touch(peers.linked.map(\.node), at: now.wall)
    remembered.saved(at: now.instant)
    return remembered.inOrder
  }

  mutating func saveMembers(at now: Timestamps) {
    guard let due = remembered.saveAt, due <= now.instant else { return }
    emit(.save(membersToSave(at: now)))
  }

  /// The node is linked: remembers it if one of the two may request files from the other.
  mutating func remember(_ other: NodeID, at now: Timestamps) {
    guard !membership.isEmpty, let peer = peers.peer(of: other) else { return }
    let topics = peer.proven.filter { membership[$0]?.connects(node, other) ?? false }
    let reached = peers.directLinks(to: other).filter { $0.facts.dial != nil && $0.facts.path.showsAddresses }
      .compactMap(\.facts.remote).filter { $0.tcpEndpoint != nil || $0.quicEndpoint != nil }
    let record = introductions.records(of: other, at: now.wall).first { topics.contains($0.topic) }
    remembered.record(
      other, topics: topics.sorted(), reached: reached, named: record?.addresses ?? peer.hello?.addresses ?? [],
      at: now.instant, now.wall)
  }

  /// Requests links to the remembered members of which there is no current record. Where this node has reached one itself,
  /// it is dialed without regard to the kind of address.
  mutating func wantRemembered(besides targets: inout Set<DialTarget>, _ choice: AddressChoice, at now: Timestamps) {
    let own = Set(introductions.ownAddresses)
    for member in remembered.inOrder where targets.count < Self.maximumDialedMembers {
      let target = DialTarget.member(member.node)
      let isWanted = member.topics.contains { membership[$0]?.connects(node, member.node) ?? false }
      guard isWanted, member.node != node, !targets.contains(target), !reputation.hasDeparted(member.node),
        !remembered.isPaused(member.node, at: now.instant)
      else { continue }
      guard dials.failures(of: target) < RememberedMembers.rounds else {
        remembered.leaveAlone(member.node, at: now.instant)
        continue
      }
      let reached = member.reached.filter { !own.contains($0) && ($0.quicEndpoint == nil || introductions.usesQUIC) }
      let addresses = reached + choice.addresses(member.named).filter { !reached.contains($0) }
      guard !addresses.isEmpty else { continue }
      targets.insert(target)
      dials.want(target, at: addresses, now: now.instant)
      if peers.isLinked(member.node) { reviewDials(of: member.node, at: now) }
    }
  }
}

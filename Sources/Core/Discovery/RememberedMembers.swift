package import Primitives

/// A member of channels that this node has joined, and where it was when the two were last linked.
package struct RememberedMember: Hashable, Sendable {
  package let node: NodeID
  /// The channels of both, in order.
  package let topics: [Topic]
  /// The addresses at which this node has reached it, latest first.
  package let reached: [Address]
  /// Addresses at which it has said that it listens.
  package let named: [Address]
  package let linkedAt: WallTime

  package init(node: NodeID, topics: [Topic], reached: [Address], named: [Address], linkedAt: WallTime) {
    self.node = node
    self.topics = topics
    self.reached = reached
    self.named = named
    self.linkedAt = linkedAt
  }

  /// The same member, with fewer channels.
  fileprivate func keeping(_ isKept: (Topic) -> Bool) -> RememberedMember {
    RememberedMember(
      node: node, topics: topics.filter(isKept), reached: reached, named: named, linkedAt: linkedAt)
  }
}

/// The members of this node's channels that it was linked to lately, for the time after a restart: it finds them again
/// although no bootstrap node answers.
///
/// Each is dialed for a few rounds only, because most of those that do not answer are gone; an hour later, and when the
/// networks around this node change, it is dialed again.
package struct RememberedMembers: Sendable {
  /// Most members; of more, those that were linked most recently are kept.
  package static let capacity = 256
  /// How long after its last link a member is remembered.
  package static let life: Duration = .seconds(30 * 86_400)
  /// Most addresses of a member of each of the two kinds.
  package static let addressesOfMember = 8
  /// Most channels of a member.
  package static let topicsOfMember = 16
  /// How often a member is dialed in vain before it is left alone for a while.
  package static let rounds = 5
  /// How long it is then left alone.
  package static let pause: Duration = .seconds(3_600)
  /// How long a change waits for others before all are stored.
  package static let savingDelay: Duration = .seconds(10)
  /// The least time between two such moments.
  package static let savingPeriod: Duration = .seconds(120)
  /// Among more members than are remembered, one that was linked within this time is not replaced by another: those of a
  /// large channel would take turns.
  private static let steadyTime: Duration = .seconds(3_600)
  /// A member that stays linked is stored again after this time, so that a crash does not make it seem long gone.
  private static let refreshPeriod: Duration = .seconds(86_400)

  private var members: [NodeID: RememberedMember] = [:]
  /// Until when each is left alone.
  private var pausedUntil: [NodeID: Instant] = [:]
  private var savedAt: Instant?
  /// When the members are to be stored; nil if nothing has changed.
  package private(set) var saveAt: Instant?

  package init() {}

  /// The members, most recently linked first.
  package var inOrder: [RememberedMember] {
    members.values.sorted { ($1.linkedAt, $0.node) < ($0.linkedAt, $1.node) }
  }

  /// Adds what an earlier process has stored, as far as it is not too old.
  package mutating func restore(_ stored: [RememberedMember], at now: WallTime) {
    for member in stored.prefix(Self.capacity) where member.linkedAt + Self.life > now {
      members[member.node] = member
    }
  }

  /// Records that the member is linked.
  ///
  /// - Parameters:
  ///   - topics: the channels of both; if there are none, it is forgotten.
  ///   - reached: the addresses at which this node has reached it now.
  ///   - named: the addresses at which it says that it listens.
  package mutating func record(
    _ node: NodeID, topics: [Topic], reached: [Address], named: [Address], at now: Instant, _ wall: WallTime
  ) {
    pausedUntil[node] = nil
    let known = members[node]
    guard !topics.isEmpty else { return remove(node, at: now) }
    var places: [Address] = []
    for address in reached + (known?.reached ?? []) where !places.contains(address) { places.append(address) }
    let member = RememberedMember(
      node: node, topics: Array(topics.sorted().prefix(Self.topicsOfMember)),
      reached: Array(places.prefix(Self.addressesOfMember)),
      named: Array(named.filter { !$0.isRelayed }.prefix(Self.addressesOfMember)), linkedAt: wall)
    let isNews =
      known.map { old in
        old.topics != member.topics || old.reached != member.reached || old.named != member.named
          || old.linkedAt + Self.refreshPeriod <= wall
      } ?? true
    // Until then the time of the stored one is near enough.
    guard isNews, known != nil || makeRoom(at: wall) else { return }
    members[node] = member
    changed(at: now)
  }

  /// Sets the time of members that are linked, before they are stored.
  package mutating func touch(_ linked: [NodeID], at now: WallTime) {
    for node in linked {
      guard let member = members[node] else { continue }
      members[node] = RememberedMember(
        node: node, topics: member.topics, reached: member.reached, named: member.named, linkedAt: now)
    }
  }

  /// Forgets the members of these channels, except those of others.
  package mutating func forget(at now: Instant, _ isLeft: (Topic) -> Bool) {
    for member in inOrder where member.topics.contains(where: isLeft) {
      let rest = member.keeping { !isLeft($0) }
      if rest.topics.isEmpty { remove(member.node, at: now) } else { members[member.node] = rest }
      changed(at: now)
    }
  }

  // MARK: Dialing

  /// Whether the member is to be dialed.
  package func isPaused(_ node: NodeID, at now: Instant) -> Bool { pausedUntil[node].map { now < $0 } ?? false }

  /// The member was dialed in vain for as many rounds as it is worth.
  package mutating func leaveAlone(_ node: NodeID, at now: Instant) { pausedUntil[node] = now + Self.pause }

  /// Other members may now be in reach.
  package mutating func endPauses() { pausedUntil = [:] }

  // MARK: Saving

  /// The members are stored now.
  package mutating func saved(at now: Instant) {
    savedAt = now
    saveAt = nil
  }

  private mutating func changed(at now: Instant) {
    let due = now + Self.savingDelay
    saveAt = saveAt ?? max(due, savedAt.map { $0 + Self.savingPeriod } ?? due)
  }

  private mutating func remove(_ node: NodeID, at now: Instant) {
    pausedUntil[node] = nil
    if members.removeValue(forKey: node) != nil { changed(at: now) }
  }

  /// Makes room for one more member; returns whether there is any.
  private mutating func makeRoom(at now: WallTime) -> Bool {
    guard members.count >= Self.capacity, let oldest else { return true }
    guard oldest.linkedAt + Self.steadyTime <= now else { return false }
    members[oldest.node] = nil
    pausedUntil[oldest.node] = nil
    return true
  }

  private var oldest: RememberedMember? {
    members.values.min { ($0.linkedAt, $1.node) < ($1.linkedAt, $0.node) }
  }
}

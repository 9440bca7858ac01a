import Discovery
import Primitives

/// The linked nodes that relay: bootstrap nodes for every channel, members for the channels in which they do.
struct KnownRelays: Sendable {
  /// Most relays of each kind that a record names. Nodes with the same relays name the same ones.
  private static let namedOfEachKind = 2
  /// The least time between two changes of members on which this node's records are sent again.
  static let changePeriod: Duration = .seconds(2)

  private var bootstrapRelays: Set<NodeID> = []
  private var members: [NodeID: [Topic: RelayedTraffic]] = [:]
  /// The bootstrap nodes, and the members of each channel, that records name.
  private var namedBootstraps: [NodeID] = []
  private var namedMembers: [Topic: [NodeID]] = [:]
  /// When the relaying of a member last changed at a moment at which that was announced.
  private var changedAt: Instant?

  /// Whether there is no relay.
  var isEmpty: Bool { bootstrapRelays.isEmpty && members.isEmpty }

  /// What the node relays over a channel; nil for nothing.
  func traffic(by node: NodeID, over topic: Topic) -> RelayedTraffic? {
    bootstrapRelays.contains(node) ? .everything : members[node]?[topic]
  }

  /// Whether the node is a member that relays files over the channel.
  func isForData(_ node: NodeID, _ topic: Topic) -> Bool { members[node]?[topic] == .everything }

  /// Whether the node relays at most messages.
  func isForMessagesOnly(_ node: NodeID) -> Bool {
    !bootstrapRelays.contains(node) && members[node]?.values.max() == .messages
  }

  /// The relays that this node's record of a topic names: bootstrap nodes, then the members that relay most.
  func named(for topic: Topic) -> [NodeID] { namedBootstraps + (namedMembers[topic] ?? []) }

  /// - Returns: whether anything has changed.
  mutating func setBootstrap(_ node: NodeID, _ isRelay: Bool) -> Bool {
    guard isRelay ? bootstrapRelays.insert(node).inserted : bootstrapRelays.remove(node) != nil else { return false }
    namedBootstraps = Array(bootstrapRelays.sorted().prefix(Self.namedOfEachKind))
    return true
  }

  /// Records for which channels the member relays.
  ///
  /// - Returns: whether anything has changed.
  mutating func setMember(_ node: NodeID, _ channels: [Topic: RelayedTraffic]) -> Bool {
    let old = members[node] ?? [:]
    guard old != channels else { return false }
    members[node] = channels.isEmpty ? nil : channels
    for topic in Set(old.keys).union(channels.keys).sorted() { chooseMembers(for: topic) }
    return true
  }

  private mutating func chooseMembers(for topic: Topic) {
    let relays = members.compactMap { node, channels in channels[topic].map { (node: node, traffic: $0) } }
      .sorted { ($1.traffic, $0.node) < ($0.traffic, $1.node) }
    namedMembers[topic] = relays.isEmpty ? nil : relays.prefix(Self.namedOfEachKind).map(\.node)
  }

  /// Whether a change of a member is to be announced now. A peer may change what it offers with each message.
  ///
  /// - Returns: when to announce it instead; nil for now.
  mutating func postponed(at now: Instant) -> Instant? {
    if let changedAt, now - changedAt < Self.changePeriod { return changedAt + Self.changePeriod }
    changedAt = now
    return nil
  }
}

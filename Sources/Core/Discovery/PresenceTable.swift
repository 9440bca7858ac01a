package import Crypto
package import Primitives
package import Wire

/// What other nodes have announced: which node serves which topic, and at which addresses. It need not survive the
/// process.
package struct PresenceTable: Sendable {
  /// Most records; a flood from strangers evicts only the records that would expire first.
  package static let capacity = 20_000
  /// Most topics of one node: as many as a hello may contain.
  package static let topicsPerNode = WireLimits.channels
  /// The longest lifetime of a record, whatever expiry it claims.
  package static let longestLife: Duration = .seconds(3600)
  /// How much two nodes' clocks may differ before they reject each other's records.
  package static let clockTolerance: Duration = .seconds(600)

  private var records: [Topic: [NodeID: PresenceRecord]] = [:]
  private var topics: [NodeID: Set<Topic>] = [:]
  package private(set) var count = 0

  package init() {}

  /// Stores a record if it is signed, fresh and newer than the known one; returns whether it was.
  package mutating func admit(_ record: PresenceRecord, at now: WallTime) -> Bool {
    guard record.expires > now, record.issued < now + Self.clockTolerance,
      record.expires < now + Self.longestLife + Self.clockTolerance
    else { return false }
    let known = records[record.topic]?[record.node]
    if let known, known.issued >= record.issued { return false }
    guard known != nil || topics[record.node]?.count ?? 0 < Self.topicsPerNode else { return false }
    guard record.node.verify(signature: record.signature, of: record.signedBytes) else { return false }
    if known == nil {
      if count >= Self.capacity { dropOldest(at: now) }
      count += 1
      topics[record.node, default: []].insert(record.topic)
    }
    records[record.topic, default: [:]][record.node] = record
    return true
  }

  /// The nodes that serve `topic`, except `excluded` and those whose records have expired.
  package func members(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [PresenceRecord] {
    (records[topic] ?? [:]).values.filter { $0.node != excluded && $0.expires > now }
      .sorted { $0.node < $1.node }
  }

  /// The topics on which there is a record of the node, current or not.
  package func topics(of node: NodeID) -> Set<Topic> { topics[node] ?? [] }

  /// A node's own current records, in the order of the topics.
  package func records(of node: NodeID, at now: WallTime) -> [PresenceRecord] {
    (topics[node] ?? []).sorted().compactMap { records[$0]?[node] }.filter { $0.expires > now }
  }

  /// Removes expired records.
  package mutating func removeExpired(at now: WallTime) {
    let expired = records.values.flatMap { $0.values.filter { $0.expires <= now } }
    // in any order: each removal is independent
    for record in expired { remove(topic: record.topic, node: record.node) }
  }

  /// Removes every record of a topic that is no longer relevant here.
  package mutating func remove(topic: Topic) {
    // in any order: each removal is independent
    for node in (records[topic] ?? [:]).keys { remove(topic: topic, node: node) }
  }

  private mutating func dropOldest(at now: WallTime) {
    removeExpired(at: now)
    guard count >= Self.capacity else { return }
    let oldest = records.values.lazy.flatMap(\.values).min {
      ($0.expires, $0.topic, $0.node) < ($1.expires, $1.topic, $1.node)
    }
    if let oldest { remove(topic: oldest.topic, node: oldest.node) }
  }

  private mutating func remove(topic: Topic, node: NodeID) {
    guard records[topic]?.removeValue(forKey: node) != nil else { return }
    if records[topic]?.isEmpty == true { records[topic] = nil }
    count -= 1
    topics[node]?.remove(topic)
    if topics[node]?.isEmpty == true { topics[node] = nil }
  }
}

extension PresenceRecord {
  /// The record with its node's signature.
  package func signed(with key: SigningKey) -> PresenceRecord {
    var record = self
    record.signature = key.sign(signedBytes)
    return record
  }
}

package import Crypto
package import Primitives
package import Wire

/// What other nodes have announced: which node serves which topic, and at which addresses. It need not survive the
/// process.
package struct PresenceTable: Sendable {
  /// Most records. If there are more, the origin with the most loses its oldest: a flood from strangers evicts only
  /// strangers' own.
  package static let capacity = 20_000
  /// Most topics of one node: as many as a hello may contain.
  package static let topicsPerNode = WireLimits.channels
  /// The longest lifetime of a record, whatever expiry it claims.
  package static let longestLife: Duration = .seconds(3600)
  /// How much two nodes' clocks may differ before they reject each other's records.
  package static let clockTolerance: Duration = .seconds(600)

  /// A record, and how it came here.
  package struct Entry: Sendable {
    package let record: PresenceRecord
    /// The node itself, if it has introduced itself; else the one that has introduced it first.
    package let introducer: NodeID
    fileprivate let origin: PeerOrigin
    fileprivate let number: UInt64
  }

  private struct Place: Sendable {
    let topic: Topic
    let node: NodeID
    let number: UInt64
  }

  private var records: [Topic: [NodeID: Entry]] = [:]
  private var lastNumber: UInt64 = 0
  private var origins = LargestCount<PeerOrigin>()
  /// The records of each origin, oldest first, and some that are gone.
  private var places: [PeerOrigin: Queue<Place>] = [:]
  private var topics: [NodeID: Set<Topic>] = [:]
  package private(set) var count = 0

  private let capacity: Int

  /// A table without records, for at most this many.
  package init(capacity: Int = PresenceTable.capacity) { self.capacity = capacity }

  /// Stores a record if it is signed, fresh and newer than the known one; returns whether it was. The cost does not depend
  /// on the number of records.
  ///
  /// - Parameters:
  ///   - introducer: the peer that has sent it.
  ///   - origin: from where that peer's link comes.
  package mutating func admit(
    _ record: PresenceRecord, by introducer: NodeID, from origin: PeerOrigin, at now: WallTime
  ) -> Bool {
    guard record.expires > now, record.issued < now + Self.clockTolerance,
      record.expires < now + Self.longestLife + Self.clockTolerance
    else { return false }
    let known = records[record.topic]?[record.node]
    if let known, known.record.issued >= record.issued { return false }
    guard known != nil || topics[record.node]?.count ?? 0 < Self.topicsPerNode else { return false }
    guard record.node.verify(signature: record.signature, of: record.signedBytes) else { return false }
    if known == nil {
      count += 1
      topics[record.node, default: []].insert(record.topic)
    }
    add(record, by: introducer, from: origin, instead: known)
    if count > capacity { evict() }
    return true
  }

  private mutating func add(
    _ record: PresenceRecord, by introducer: NodeID, from origin: PeerOrigin, instead known: Entry?
  ) {
    let isByItself = introducer == record.node
    let keepsPlace = known.map { $0.origin == origin || !isByItself } ?? false
    if let known, keepsPlace {
      records[record.topic]?[record.node] = Entry(
        record: record, introducer: isByItself ? introducer : known.introducer, origin: known.origin,
        number: known.number)
      return
    }
    if let known { origins.decrement(known.origin) }
    lastNumber += 1
    records[record.topic, default: [:]][record.node] = Entry(
      record: record, introducer: introducer, origin: origin, number: lastNumber)
    origins.increment(origin)
    places[origin, default: Queue()].append(Place(topic: record.topic, node: record.node, number: lastNumber))
    discardStale(of: origin)
  }

  /// Removes the oldest record of the origin with the most.
  private mutating func evict() {
    guard let origin = origins.largest else { return }
    while let place = places[origin]?.popFirst() {
      guard isCurrent(place) else { continue }
      return remove(topic: place.topic, node: place.node)
    }
  }

  private func isCurrent(_ place: Place) -> Bool { records[place.topic]?[place.node]?.number == place.number }

  /// Forgets places of records that are gone when they are most of all.
  private mutating func discardStale(of origin: PeerOrigin) {
    guard var known = places.removeValue(forKey: origin) else { return }
    if known.count > 2 * origins[origin] + 16 { known.removeAll { !isCurrent($0) } }
    places[origin] = known
  }

  /// The nodes that serve `topic`, except `excluded` and those whose records have expired.
  package func members(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [PresenceRecord] {
    entries(of: topic, except: excluded, at: now).map(\.record)
  }

  /// The same, with how each record came here.
  package func entries(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [Entry] {
    (records[topic] ?? [:]).values.filter { $0.record.node != excluded && $0.record.expires > now }
      .sorted { $0.record.node < $1.record.node }
  }

  /// The topics on which there is a record of the node, current or not.
  package func topics(of node: NodeID) -> Set<Topic> { topics[node] ?? [] }

  /// A node's own current records, in the order of the topics.
  package func records(of node: NodeID, at now: WallTime) -> [PresenceRecord] {
    (topics[node] ?? []).sorted().compactMap { records[$0]?[node]?.record }.filter { $0.expires > now }
  }

  /// Removes expired records.
  package mutating func removeExpired(at now: WallTime) {
    let expired = records.values.flatMap { $0.values.map(\.record).filter { $0.expires <= now } }
    // in any order: each removal is independent
    for record in expired { remove(topic: record.topic, node: record.node) }
  }

  /// Removes every record of a topic that is no longer relevant here.
  package mutating func remove(topic: Topic) {
    // in any order: each removal is independent
    for node in (records[topic] ?? [:]).keys { remove(topic: topic, node: node) }
  }

  private mutating func remove(topic: Topic, node: NodeID) {
    guard let entry = records[topic]?.removeValue(forKey: node) else { return }
    origins.decrement(entry.origin)
    if origins[entry.origin] == 0 { places[entry.origin] = nil }
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

import Crypto
import Discovery
import Primitives
import Wire

/// Where this node and others can be found, as far as it has been said: who serves which topic, where this node listens
/// and was seen, and which node answers at a bootstrap address.
struct Introductions: Sendable {
  /// Hosts remembered under which this node was seen.
  private static let maximumObserved = 4
  /// For how long a signed record is given to further peers. A peer tells this node's clock by it, so not for long.
  private static let reuse: Duration = .seconds(1)

  private var presence = PresenceTable()
  private var bootstrapNodes: [Endpoint: NodeID] = [:]
  /// Where this node says that it listens.
  private var announced: [Endpoint] = []
  private var listeningPort: UInt16?
  /// Hosts under which bootstrap nodes have seen this node, the latest last.
  private var observedHosts: [String] = []
  /// This node's own records as it has signed them last: many peers are told the same.
  private var ownRecords: [Topic: PresenceRecord] = [:]
  /// Records signed so far: the costly part of an introduction. Tests bound by it what a message may cost.
  private(set) var signedRecords: UInt64 = 0
  /// When this node announces itself next; nil before it has for the first time.
  var announceAt: Instant?

  // MARK: This node

  /// Where others may find this node: what its owner says, then where it was seen.
  var ownAddresses: [Endpoint] {
    let observed = listeningPort.map { port in observedHosts.reversed().compactMap { Endpoint(host: $0, port: port) } }
    var addresses = announced
    for endpoint in observed ?? [] where !addresses.contains(endpoint) { addresses.append(endpoint) }
    return Array(addresses.prefix(WireLimits.addresses))
  }

  mutating func setAddresses(_ addresses: [Endpoint], port: UInt16?) {
    announced = addresses
    listeningPort = port
  }

  /// A bootstrap node has seen this node under this host.
  ///
  /// - Returns: whether it was not known.
  mutating func recordObserved(_ host: String) -> Bool {
    guard observedHosts.last != host else { return false }
    let isNew = !observedHosts.contains(host)
    observedHosts = Array((observedHosts.filter { $0 != host } + [host]).suffix(Self.maximumObserved))
    return isNew
  }

  /// Where this node is, as it says itself to those who may know that it serves the topic.
  mutating func ownRecord(of topic: Topic, for life: Duration, with key: SigningKey, at now: WallTime) -> PresenceRecord
  {
    let addresses = ownAddresses
    if let known = ownRecords[topic], known.addresses == addresses, known.issued <= now, now < known.issued + Self.reuse
    {
      return known
    }
    let record = PresenceRecord(
      node: key.publicKey, topic: topic, addresses: addresses, issued: now, expires: now + life
    ).signed(with: key)
    signedRecords += 1
    ownRecords[topic] = record
    return record
  }

  // MARK: Bootstrap nodes

  mutating func recordBootstrap(_ node: NodeID, at endpoint: Endpoint) { bootstrapNodes[endpoint] = node }

  /// Whether the node has answered at a bootstrap address.
  func isBootstrap(_ node: NodeID) -> Bool { bootstrapNodes.values.contains(node) }

  /// The bootstrap addresses at which the node has answered, in order.
  func bootstrapAddresses(of node: NodeID) -> [Endpoint] {
    bootstrapNodes.filter { $0.value == node }.keys.sorted { $0.description < $1.description }
  }

  // MARK: Other nodes

  /// The records of a topic's members that have not expired, without `excluded`.
  func members(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [PresenceRecord] {
    presence.members(of: topic, except: excluded, at: now)
  }

  /// What one node has said of itself, in the order of the topics.
  func records(of node: NodeID, at now: WallTime) -> [PresenceRecord] { presence.records(of: node, at: now) }

  /// Takes in a record if it is signed, fresh and newer than what is known; says whether it was.
  mutating func admit(_ record: PresenceRecord, at now: WallTime) -> Bool { presence.admit(record, at: now) }

  mutating func forget(_ topic: Topic) {
    presence.remove(topic: topic)
    ownRecords[topic] = nil
  }

  mutating func removeExpired(at now: WallTime) { presence.removeExpired(at: now) }
}

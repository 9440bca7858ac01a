import Crypto
import Discovery
import Primitives
import Traversal
import Wire

/// Where to find this node and others: which node serves which topic, where this node listens and was seen, and which
/// node answers at a bootstrap address.
struct Introductions: Sendable {
  /// Most hosts remembered at which this node was seen.
  private static let maximumObserved = 4
  /// Most addresses of QUIC that are announced.
  private static let maximumQUIC = 4
  /// Most addresses in local networks that are announced: a server may have many more.
  private static let maximumLocal = 8
  /// How long a signed record may be sent to further peers. Peers read this node's clock from it, so not for long.
  private static let reuse: Duration = .seconds(1)

  private var presence = PresenceTable()
  private var bootstrapNodes: [Endpoint: NodeID] = [:]
  /// The ports on which the nodes at bootstrap addresses listen, according to themselves.
  private var bootstrapPorts: [Endpoint: [UInt16]] = [:]
  /// The linked nodes that have answered at addresses announced in a local network.
  private var nearbyNodes: [Endpoint: NodeID] = [:]
  /// The linked nodes that pass links on to this one.
  private var relays: Set<NodeID> = []
  /// The addresses at which this node listens, according to its owner.
  private var announced: [Endpoint] = []
  /// The port on which this node listens, and from which it dials.
  private(set) var listeningPort: UInt16?
  private var furtherPorts: [UInt16] = []
  /// Where a router leads to this node by TCP, and by UDP.
  private var mapped: (tcp: Endpoint?, udp: Endpoint?)
  /// The port on which this node accepts QUIC; nil if it does not.
  private(set) var quicPort: UInt16?
  private var local = LocalNetwork()
  /// The hosts at which bootstrap nodes have seen this node, latest last.
  private var observedHosts: [String] = []
  /// Where bootstrap nodes see this node's connections.
  private var outsideView = OutsideView()
  /// Where bootstrap nodes see this node's datagrams.
  private(set) var outsideUDP = OutsideView()
  /// The latest signed records of this node: many peers get the same ones.
  private var ownRecords: [Topic: PresenceRecord] = [:]
  /// Records signed so far: the expensive part of an introduction. Tests use it to bound the cost of a message.
  private(set) var signedRecords: UInt64 = 0
  /// Whether this node dials addresses of QUIC.
  var usesQUIC = false
  /// When this node announces itself next; nil before the first announcement.
  var announceAt: Instant?

  // MARK: This node

  /// The addresses of this node: those given by its owner, that of its router, those at which it was seen, and those in
  /// its local networks.
  var ownAddresses: [Address] {
    var addresses = (announced + [mapped.tcp].compactMap { $0 }).map { Address.tcp($0) }
    guard let port = listeningPort else { return Array(addresses.prefix(WireLimits.addresses)) }
    // Other nodes come in at the same port only if the NAT uses it for all of them.
    if !outsideView.mapping(of: port).isHard {
      for endpoint in outsideView.endpoints where !addresses.contains(.tcp(endpoint)) {
        addresses.append(.tcp(endpoint))
      }
    }
    for port in [port] + furtherPorts {
      for host in observedHosts.reversed() + local.hosts.prefix(Self.maximumLocal) {
        guard let address = Endpoint(host: host, port: port).map({ Address.tcp($0) }) else { continue }
        if !addresses.contains(address) { addresses.append(address) }
      }
    }
    let quic = quicAddresses
    return addresses.prefix(WireLimits.addresses - quic.count) + quic
  }

  /// The addresses at which this node accepts QUIC. Where a router is between, other nodes must not dial it before it has
  /// sent to them: some routers keep out for half a minute what they have refused once.
  private var quicAddresses: [Address] {
    guard let quicPort else { return [] }
    let seen = isBehindRouter ? [] : observedHosts.reversed()
    var addresses = [mapped.udp].compactMap { $0 }.map { Address.quic($0) }
    for host in announced.map(\.host) + seen + local.hosts where IPAddress(host) != nil {
      guard let address = Endpoint(host: host, port: quicPort).map({ Address.quic($0) }) else { continue }
      if !addresses.contains(address) { addresses.append(address) }
    }
    return Array(addresses.prefix(Self.maximumQUIC))
  }

  /// Chooses which addresses of other nodes to dial.
  var choice: AddressChoice {
    AddressChoice(
      outside: observedHosts + announced.map(\.host), networks: local.networks, own: Set(ownAddresses),
      usesQUIC: usesQUIC)
  }

  /// - Returns: whether anything has changed.
  mutating func setLocalNetwork(_ network: LocalNetwork) -> Bool {
    guard local != network else { return false }
    local = network
    return true
  }

  mutating func setAddresses(_ addresses: [Endpoint], port: UInt16?, furtherPorts: [UInt16], quicPort: UInt16?) {
    self.quicPort = quicPort
    announced = addresses
    listeningPort = port
    self.furtherPorts = furtherPorts
  }

  /// - Returns: whether anything has changed.
  mutating func setMapped(tcp: Endpoint?, udp: Endpoint?) -> Bool {
    guard mapped != (tcp, udp) else { return false }
    mapped = (tcp, udp)
    return true
  }

  /// The hosts at which bootstrap nodes see this node, except those of its interfaces.
  var outsideHosts: [IPAddress] { seenHosts.filter { !interfaces.contains($0) } }

  private var seenHosts: [IPAddress] { outsideView.endpoints.compactMap { IPAddress($0.host) } }
  private var interfaces: [IPAddress] { local.hosts.compactMap { IPAddress($0) } }

  /// What this node says about itself when it asks for a direct connection.
  ///
  /// - Parameters:
  ///   - isUDPBlocked: whether no bootstrap node has answered its datagrams.
  ///   - guessesPorts: whether it takes part in guessing ports.
  func ownSide(isUDPBlocked: Bool, guessesPorts: Bool) -> OwnSide {
    let datagrams = quicPort.map {
      OwnSide.Datagrams(
        outside: outsideUDP, port: $0, isBlocked: isUDPBlocked, mapped: mapped.udp, guessesPorts: guessesPorts)
    }
    return OwnSide(
      outside: outsideView, port: listeningPort, interfaces: local.hosts, networks: local.networks,
      datagrams: usesQUIC ? datagrams : nil)
  }

  /// Records where a bootstrap node has seen this node.
  ///
  /// - Returns: whether it was new.
  mutating func recordObserved(_ address: Address, by observer: NodeID) -> Bool {
    guard let endpoint = address.tcpEndpoint else { return false }
    let host = endpoint.host
    let isNew = !observedHosts.contains(host)
    observedHosts = Array((observedHosts.filter { $0 != host } + [host]).suffix(Self.maximumObserved))
    return outsideView.record(endpoint, by: observer) || isNew
  }

  /// The node sees this one no longer.
  ///
  /// - Returns: whether anything has changed.
  mutating func forgetObserver(_ observer: NodeID) -> Bool { outsideView.forget(observer) }

  /// Records where a bootstrap node sees this node's datagrams.
  ///
  /// - Returns: whether anything has changed.
  mutating func recordDatagrams(from endpoint: Endpoint, by observer: NodeID) -> Bool {
    outsideUDP.record(endpoint, by: observer)
  }

  /// The node sees this one's datagrams no longer.
  mutating func forgetDatagrams(by observer: NodeID) { _ = outsideUDP.forget(observer) }

  /// This node's record for peers that may know that it serves the topic.
  mutating func ownRecord(of topic: Topic, for life: Duration, with key: SigningKey, at now: WallTime) -> PresenceRecord
  {
    let (addresses, relays) = (ownAddresses, ownRelays)
    if let known = ownRecords[topic], known.addresses == addresses, known.relays == relays,
      known.issued <= now + Self.reuse, now < known.issued + Self.reuse
    {
      return known
    }
    // Of two records of the same millisecond, others would keep the first.
    let last = ownRecords[topic]?.issued
    let issued = last.map { $0 >= now && $0 <= now + Self.reuse ? $0 + .milliseconds(1) : now } ?? now
    let record = PresenceRecord(
      node: key.publicKey, topic: topic, addresses: addresses, relays: relays, issued: issued, expires: now + life
    ).signed(with: key)
    signedRecords += 1
    ownRecords[topic] = record
    return record
  }

  /// Whether bootstrap nodes see this node at hosts that none of its interfaces has.
  var isBehindRouter: Bool {
    let (hosts, own) = (seenHosts.filter { $0.scope == .global }, interfaces)
    return !hosts.isEmpty && !hosts.contains { own.contains($0) }
  }

  // MARK: Bootstrap nodes

  mutating func recordBootstrap(_ node: NodeID, at endpoint: Endpoint) { bootstrapNodes[endpoint] = node }

  /// The node that has answered at this bootstrap address; nil if none has.
  func bootstrapNode(at endpoint: Endpoint) -> NodeID? { bootstrapNodes[endpoint] }

  /// Whether the node has answered at a bootstrap address.
  func isBootstrap(_ node: NodeID) -> Bool { bootstrapNodes.values.contains(node) }

  /// The bootstrap addresses at which the node has answered, in order.
  func bootstrapAddresses(of node: NodeID) -> [Endpoint] {
    bootstrapNodes.filter { $0.value == node }.keys.sorted { $0.description < $1.description }
  }

  /// The ports on which the node at this bootstrap address listens, according to itself.
  func bootstrapPorts(at endpoint: Endpoint) -> [UInt16] { bootstrapPorts[endpoint] ?? [] }

  mutating func recordBootstrapPorts(_ ports: [UInt16], at endpoint: Endpoint) { bootstrapPorts[endpoint] = ports }

  // MARK: Nodes in the local networks

  mutating func recordNearby(_ node: NodeID, at endpoint: Endpoint) { nearbyNodes[endpoint] = node }

  /// The linked node that has answered at an announced address.
  func nearbyNode(at endpoint: Endpoint) -> NodeID? { nearbyNodes[endpoint] }

  /// The node is no longer linked, so another one may have its addresses.
  mutating func forgetNearby(_ node: NodeID) { nearbyNodes = nearbyNodes.filter { $0.value != node } }

  // MARK: Relays

  /// The relays that this node's records name. Nodes that use the same bootstrap nodes choose the same ones.
  var ownRelays: [NodeID] { Array(relays.sorted().prefix(WireLimits.relays)) }

  func isRelay(_ node: NodeID) -> Bool { relays.contains(node) }

  /// - Returns: whether anything has changed.
  mutating func setRelay(_ node: NodeID, isLinked: Bool) -> Bool {
    isLinked ? relays.insert(node).inserted : relays.remove(node) != nil
  }

  /// The relays through which the record's node can be reached from this one.
  func relays(for record: PresenceRecord) -> [NodeID] { record.relays.filter { relays.contains($0) } }

  // MARK: Other nodes

  /// The channels on which there is a record of the node, current or not.
  func topics(of node: NodeID) -> Set<Topic> { presence.topics(of: node) }

  /// The current records of a topic's members, except `excluded`.
  func members(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [PresenceRecord] {
    presence.members(of: topic, except: excluded, at: now)
  }

  /// The same, with how each record came here.
  func entries(of topic: Topic, except excluded: NodeID, at now: WallTime) -> [PresenceTable.Entry] {
    presence.entries(of: topic, except: excluded, at: now)
  }

  /// A node's own records, in the order of the topics.
  func records(of node: NodeID, at now: WallTime) -> [PresenceRecord] { presence.records(of: node, at: now) }

  /// Stores a record that a peer has sent if it is signed, fresh and newer than the known one; returns whether it was.
  mutating func admit(_ record: PresenceRecord, from peer: Peer, at now: WallTime) -> Bool {
    presence.admit(record, by: peer.node, from: peer.facts.origin, at: now)
  }

  mutating func forget(_ topic: Topic) {
    presence.remove(topic: topic)
    ownRecords[topic] = nil
  }

  mutating func removeExpired(at now: WallTime) { presence.removeExpired(at: now) }
}

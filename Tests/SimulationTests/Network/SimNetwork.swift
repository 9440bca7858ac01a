import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Wire

/// Many nodes under one virtual clock, joined by links that delay and break according to a seed. A seed always produces
/// the same run.
final class SimNetwork {
  let seed: UInt64
  let clock = SimClock()
  var random: SeededRandom
  private(set) var nodes: [SimNode] = []
  private(set) var complaints: [String] = []
  /// The nodes that have sent bytes, and to which nodes.
  private(set) var served: [NodeID: Set<NodeID>] = [:]
  /// All effects of the cores, in order, if tracing is on.
  private(set) var trace: [String] = []
  var keepsTrace = false
  /// The local network in which nodes announce themselves; nil if they do not.
  var multicast: SimMulticast?
  /// When each address was dialed, and by which node.
  private(set) var dialed: [Address: [(dialer: NodeID, at: Instant)]] = [:]
  private var links: [SimLink] = []
  private var linksThatWereUp = 0
  private var partitioned: Set<NodeID> = []
  private var foundPaths: UInt64 = 0
  /// Whether two dials that meet lead to a link, and not to an error at both ends.
  var settlesCrossedDials = true
  private var configurations: [NodeID: NodeCoreConfiguration] = [:]
  /// Carries the packets of nodes behind edges.
  private(set) lazy var internet = SimInternet(clock: clock, seed: seed)

  init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed)
  }

  var now: Timestamps {
    Timestamps(
      instant: clock.now, wall: WallTime(milliseconds: 1_700_000_000_000 + clock.now.nanoseconds / 1_000_000))
  }

  func complain(_ text: String) {
    note(text)
    complaints.append(text)
  }

  func note(_ text: String) { trace.append("\(clock.now.nanoseconds) \(text)") }

  func noteServed(by server: SimNode, to asker: SimNode) { served[server.id, default: []].insert(asker.id) }

  // MARK: Setup

  /// Adds a node that listens at a separate address.
  ///
  /// - Parameters:
  ///   - place: the machine on which it runs; nil if the network is not simulated down to TCP.
  ///   - punches: whether it connects to relayed nodes directly.
  ///   - original: a node whose key it has a copy of.
  func addNode(
    _ name: String, isBootstrap: Bool = false, bootstraps: [SimNode] = [], manifestThreshold: UInt64 = 2_000,
    on place: SimHost? = nil, punches: Bool = true, relays: Bool = true, copying original: SimNode? = nil
  ) throws -> SimNode {
    let host = place?.address ?? "10.0.0.\(nodes.count + 1)"
    let port: UInt16 = place == nil ? 20_000 : isBootstrap ? 443 : 15_351
    guard let endpoint = Endpoint(host: host, port: port) else { preconditionFailure("\(host) is an address") }
    var configuration = NodeCoreConfiguration(
      key: try original.map { $0.core.configuration.key } ?? KeyRing.key(nodes.count), label: name,
      software: "simulation", isBootstrap: isBootstrap,
      relays: relays, bootstraps: bootstraps.map(\.endpoint))
    configuration.manifestThreshold = manifestThreshold
    configuration.punches = punches
    let node = SimNode(self, name, endpoint, NodeCore(configuration, random: SeededRandom(seed: random.next())))
    node.edge = place.map { SimEdge($0, of: node) }
    configurations[node.id] = configuration
    nodes.append(node)
    return node
  }

  /// Ends the node's process, and starts another on the same disk.
  func restart(_ node: SimNode, _ channels: [Channel]) {
    guard let configuration = configurations[node.id] else { return }
    node.restart(with: NodeCore(configuration, random: SeededRandom(seed: random.next())), channels)
  }

  func link(between one: SimNode, and other: SimNode) -> SimLink? {
    links.last { $0.isUp && $0.isBetween(one, other) }
  }

  /// The links between two nodes that are up.
  func links(between one: SimNode, and other: SimNode) -> [SimLink] {
    links.filter { $0.isUp && $0.isBetween(one, other) }
  }

  func countLinks(between one: SimNode, and other: SimNode) -> Int {
    links.count { $0.isUp && $0.isBetween(one, other) }
  }

  func node(_ id: NodeID) -> SimNode? { nodes.first { $0.id == id } }

  /// The result of checking each message: every node receives the same ones.
  private var checkedMessages: [[UInt8]: SignedMessage?] = [:]

  /// The message, if the feed signed it.
  func checked(_ text: [UInt8], of feed: FeedID) -> SignedMessage? {
    if let message = checkedMessages[text] { return message }
    let message = try? SignedMessage(text)
    let isGood = message.flatMap { message in (try? VerifyingKey(NodeID(feed))).map { message.isSigned(by: $0) } }
    checkedMessages[text] = .some(isGood == true ? message : nil)
    return isGood == true ? message : nil
  }

  // MARK: Faults

  /// Drops everything from or to this node; the others notice only after a while.
  func isolate(_ node: SimNode) {
    partitioned.insert(node.id)
    for link in links where link.isUp && (link.dialer.node === node || link.acceptor.node === node) {
      link.fallSilent()
    }
  }

  /// Makes the node reachable again: links that are not given up yet carry again.
  func heal(_ node: SimNode) {
    partitioned.remove(node.id)
    for link in links where link.isUp && (link.dialer.node === node || link.acceptor.node === node) {
      let isApart =
        partitioned.contains(link.dialer.node.id) != partitioned.contains(link.acceptor.node.id)
      if !isApart { link.recover() }
    }
  }

  /// Opens a further link between two nodes by another kind of path, as if `one` had found it.
  ///
  /// - Returns: the link; nil if one of them cannot be reached.
  @discardableResult
  func openPath(
    _ one: SimNode, _ other: SimNode, _ path: PathKind, latency: Duration, rate: Int? = nil
  ) -> SimLink? {
    let isApart = partitioned.contains(one.id) != partitioned.contains(other.id)
    guard one !== other, one.isRunning, other.isRunning, !isApart else { return nil }
    foundPaths += 1
    let link = connect(one, DialID(number: .max - foundPaths), other, latency, path)
    link.rate = rate
    return link
  }

  // MARK: Links

  func dial(_ dialer: SimNode, _ dial: DialID, _ address: Address, _ expected: NodeID?) {
    if case .relay(let relay) = address { return self.dial(dialer, dial, by: relay, expected) }
    if let edge = dialer.edge { return edge.dial(dial, address, expected) }
    let latency: Duration = .microseconds(random.number(100...60_000))
    dialed[address, default: []].append((dialer.id, clock.now))
    guard let target = nodes.first(where: { .tcp($0.endpoint) == address }) else {
      return clock.after(latency) { dialer.dialFailed(dial, address) }
    }
    let life = dialer.life
    let isApart = partitioned.contains(dialer.id) != partitioned.contains(target.id)
    let isUnreachable = isApart || target.isBehindNAT
    // A handshake takes two round trips; a dial to a dead host ends with its timeout.
    clock.after(isUnreachable ? .seconds(10) : latency * 4) { [unowned self] in
      guard dialer.isRunning, dialer.life == life, !dialer.hasCancelled(dial) else { return }
      let isRightNode = expected.map { $0 == target.id } ?? true
      guard !isUnreachable, target.isRunning, isRightNode else { return dialer.dialFailed(dial, address) }
      connect(dialer, dial, target, latency)
    }
  }

  /// - Parameters:
  ///   - relay: the node through which the link leads; nil if it is direct.
  ///   - places: where each of the two is seen by the other, if not at the endpoint on which it listens.
  @discardableResult
  func connect(
    _ dialer: SimNode, _ dial: DialID?, _ target: SimNode, _ latency: Duration, _ path: PathKind = .direct,
    by relay: SimNode? = nil, seenAt places: [NodeID: Endpoint] = [:]
  ) -> SimLink {
    let binding = random.bytes(32)
    let link = SimLink(
      self, dialer: SimLink.End(node: dialer, id: dialer.newLink()),
      acceptor: SimLink.End(node: target, id: target.newLink()), path: path, latency: latency)
    forgetLostLinks()
    links.append(link)
    for (end, dial) in [(link.dialer, dial), (link.acceptor, nil)] {
      let other = link.other(end.node).node
      let remote =
        relay.map { Address.relay($0.id) } ?? .tcp(end.node.claimedPlace ?? places[other.id] ?? other.endpoint)
      let facts = LinkFacts(
        peer: other.id, dial: dial, binding: binding, remote: remote, path: path,
        seenAt: relay?.core.seenAt(other.id) ?? [])
      end.node.linkOpened(end.id, link, facts)
    }
    return link
  }

  /// Most links of a long run are lost ones.
  private func forgetLostLinks() {
    guard links.count > 2 * linksThatWereUp + 100 else { return }
    links.removeAll { !$0.isUp }
    linksThatWereUp = links.count
  }

  /// Releases everything: nodes and links refer to each other.
  func dismantle() {
    clock.clear()
    multicast = nil
    internet.dismantle()
    links = []
    nodes = []
  }
}

/// Keys shared by all runs: generating one takes longer than a run.
enum KeyRing {
  static func key(_ index: Int) throws -> SigningKey {
    let (high, low) = (UInt8((index + 1) >> 8), UInt8((index + 1) & 0xff))
    return try SigningKey(seed: [UInt8](repeating: low, count: SigningKey.seedByteCount - 1) + [low &+ high])
  }
}

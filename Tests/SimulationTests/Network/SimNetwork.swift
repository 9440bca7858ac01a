import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Wire

/// Many nodes under one virtual clock, joined by links that a seed delays and breaks. What a seed does once it does
/// again.
final class SimNetwork {
  let seed: UInt64
  let clock = SimClock()
  var random: SeededRandom
  private(set) var nodes: [SimNode] = []
  private(set) var complaints: [String] = []
  /// Who has given bytes to whom.
  private(set) var served: [NodeID: Set<NodeID>] = [:]
  /// Everything that the cores wanted, in order, if it is kept.
  private(set) var trace: [String] = []
  var keepsTrace = false
  private var links: [SimLink] = []
  private var partitioned: Set<NodeID> = []
  private var configurations: [NodeID: NodeCoreConfiguration] = [:]

  init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed)
  }

  var now: Timestamps {
    Timestamps(
      instant: clock.now, wall: WallTime(milliseconds: 1_700_000_000_000 + clock.now.nanoseconds / 1_000_000))
  }

  func complain(_ text: String) { complaints.append(text) }

  func note(_ text: String) { trace.append("\(clock.now.nanoseconds) \(text)") }

  func noteServed(by server: SimNode, to asker: SimNode) { served[server.id, default: []].insert(asker.id) }

  // MARK: Making it

  /// A node that listens at an address of its own.
  func addNode(
    _ name: String, isBootstrap: Bool = false, bootstraps: [SimNode] = [], manifestThreshold: UInt64 = 2_000
  ) throws -> SimNode {
    let host = "10.0.0.\(nodes.count + 1)"
    guard let endpoint = Endpoint(host: host, port: 20_000) else { preconditionFailure("\(host) is an address") }
    var configuration = NodeCoreConfiguration(
      key: try KeyRing.key(nodes.count), label: name, software: "simulation", isBootstrap: isBootstrap,
      bootstraps: bootstraps.map(\.endpoint))
    configuration.manifestThreshold = manifestThreshold
    let node = SimNode(self, name, endpoint, NodeCore(configuration, random: SeededRandom(seed: random.next())))
    configurations[node.id] = configuration
    nodes.append(node)
    return node
  }

  /// The node's process ends, and another begins on the same disk.
  func restart(_ node: SimNode, _ channels: [Channel]) {
    guard let configuration = configurations[node.id] else { return }
    node.restart(with: NodeCore(configuration, random: SeededRandom(seed: random.next())), channels)
  }

  func link(between one: SimNode, and other: SimNode) -> SimLink? {
    links.last { $0.isUp && $0.isBetween(one, other) }
  }

  func countLinks(between one: SimNode, and other: SimNode) -> Int {
    links.count { $0.isUp && $0.isBetween(one, other) }
  }

  func node(_ id: NodeID) -> SimNode? { nodes.first { $0.id == id } }

  /// What was found out about each message, since every node gets the same ones.
  private var checkedMessages: [[UInt8]: SignedMessage?] = [:]

  /// The message, if the feed has signed it.
  func checked(_ text: [UInt8], of feed: FeedID) -> SignedMessage? {
    if let message = checkedMessages[text] { return message }
    let message = try? SignedMessage(text)
    let isGood = message.flatMap { message in (try? VerifyingKey(NodeID(feed))).map { message.isSigned(by: $0) } }
    checkedMessages[text] = .some(isGood == true ? message : nil)
    return isGood == true ? message : nil
  }

  // MARK: Harm

  /// Nothing from or to this node arrives any more; the others notice only after a while.
  func isolate(_ node: SimNode) {
    partitioned.insert(node.id)
    for link in links where link.isUp && (link.dialer.node === node || link.acceptor.node === node) {
      link.isSilent = true
      clock.after(.seconds(random.number(5...15))) { link.cut() }
    }
  }

  /// The node can be reached again.
  func heal(_ node: SimNode) { partitioned.remove(node.id) }

  // MARK: Links

  func dial(_ dialer: SimNode, _ dial: DialID, _ endpoint: Endpoint, _ expected: NodeID?) {
    let latency: Duration = .microseconds(random.number(100...60_000))
    guard let target = nodes.first(where: { $0.endpoint == endpoint }) else {
      return clock.after(latency) { dialer.dialFailed(dial, endpoint) }
    }
    let life = dialer.life
    let isUnreachable = partitioned.contains(dialer.id) != partitioned.contains(target.id)
    // A handshake takes two round trips; a dead host is given up after the dial's time.
    clock.after(isUnreachable ? .seconds(10) : latency * 4) { [unowned self] in
      guard dialer.isRunning, dialer.life == life, !dialer.hasCancelled(dial) else { return }
      let isRightNode = expected.map { $0 == target.id } ?? true
      guard !isUnreachable, target.isRunning, isRightNode else { return dialer.dialFailed(dial, endpoint) }
      connect(dialer, dial, target, latency)
    }
  }

  private func connect(_ dialer: SimNode, _ dial: DialID, _ target: SimNode, _ latency: Duration) {
    let binding = random.bytes(32)
    let link = SimLink(
      self, dialer: SimLink.End(node: dialer, id: dialer.newLink()),
      acceptor: SimLink.End(node: target, id: target.newLink()), latency: latency)
    links.append(link)
    dialer.linkOpened(
      link.dialer.id, link, LinkFacts(peer: target.id, dial: dial, binding: binding, remote: target.endpoint))
    target.linkOpened(
      link.acceptor.id, link, LinkFacts(peer: dialer.id, dial: nil, binding: binding, remote: dialer.endpoint))
  }

  /// Lets go of everything: nodes and links hold each other.
  func dismantle() {
    clock.clear()
    links = []
    nodes = []
  }
}

/// Keys that every run uses: making one takes longer than a run.
enum KeyRing {
  static func key(_ index: Int) throws -> SigningKey {
    try SigningKey(seed: [UInt8](repeating: UInt8(index + 1), count: SigningKey.seedByteCount))
  }
}

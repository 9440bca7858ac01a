import Discovery
import Primitives
import Wire

/// The links, the peers at their other ends, and the link that is preferred for each node.
struct PeerTable: Sendable {
  /// How long a peer may take to say hello.
  static let helloTime: Duration = .seconds(10)

  /// Whether this node sends by QUIC rather than by TCP over long ways.
  var prefersQUIC = false

  private var peers: [LinkID: Peer] = [:]
  /// All links to a node, including those that have not said hello or are closing.
  private var linksOfNode: [NodeID: Set<LinkID>] = [:]
  /// How many links come from each origin.
  private var linksOfOrigin: [PeerOrigin: Int] = [:]
  /// The link over which a node is asked.
  private var choices: [NodeID: LinkChoice] = [:]
  /// The kinds of path by which other nodes have dialed this one and said hello.
  private(set) var acceptedPaths: Set<PathKind> = []
  /// Links that this node has dialed and whose peers have not said hello.
  private var meetings: Set<LinkID> = []
  /// When each peer must have said hello; only for peers that have not.
  private var helloDeadlines = Deadlines<LinkID>()

  // MARK: Links

  var count: Int { peers.count }

  subscript(link: LinkID) -> Peer? { peers[link] }

  /// All links, in order.
  var links: [LinkID] { peers.keys.sorted() }

  /// The number of links that come from where this one does.
  func count(sharingOriginOf facts: LinkFacts) -> Int { linksOfOrigin[facts.origin] ?? 0 }

  /// Whether any peer, linked or not, fulfills the condition.
  func contains(where condition: (Peer) -> Bool) -> Bool { peers.values.contains(where: condition) }

  mutating func open(_ peer: Peer) {
    peers[peer.link] = peer
    linksOfNode[peer.node, default: []].insert(peer.link)
    linksOfOrigin[peer.facts.origin, default: 0] += 1
    helloDeadlines.set(peer.link, peer.openedAt + Self.helloTime)
    if peer.facts.dial != nil { meetings.insert(peer.link) }
  }

  /// Removes a link. Its node keeps its choice, which the caller changes or removes.
  mutating func close(_ link: LinkID) -> Peer? {
    guard let peer = peers.removeValue(forKey: link) else { return nil }
    linksOfNode[peer.node]?.remove(link)
    if linksOfNode[peer.node]?.isEmpty == true { linksOfNode[peer.node] = nil }
    let origin = peer.facts.origin
    linksOfOrigin[origin] = linksOfOrigin[origin].flatMap { $0 > 1 ? $0 - 1 : nil }
    helloDeadlines.clear(link)
    meetings.remove(link)
    return peer
  }

  /// Changes a peer's state; does nothing if the link is gone.
  mutating func change(_ link: LinkID, _ body: (inout Peer) -> Void) {
    guard var peer = peers[link] else { return }
    body(&peer)
    if peer.hello != nil, peer.facts.dial == nil { acceptedPaths.insert(peer.facts.path) }
    if peer.hello != nil || peer.isClosing {
      helloDeadlines.clear(link)
      meetings.remove(link)
    }
    peers[link] = peer
  }

  /// All links to the node, in order.
  func links(to node: NodeID) -> [LinkID] { (linksOfNode[node] ?? []).sorted() }

  /// Whether there is a link to the node that is not being closed.
  func hasOpenLink(to node: NodeID) -> Bool {
    linksOfNode[node]?.contains { peers[$0]?.isClosing == false } ?? false
  }

  /// Whether a link to the node that is neither silent nor being closed leads through no relay.
  func hasDirectLink(to node: NodeID) -> Bool {
    linksOfNode[node]?.contains { link in
      peers[link].map { !$0.isClosing && !$0.isSilent && $0.facts.path != .relayed } ?? false
    } ?? false
  }

  /// The peers at the other ends of the direct links to the node that can be used, in order.
  func directLinks(to node: NodeID) -> [Peer] {
    links(to: node).compactMap { active($0) }.filter { $0.facts.path != .relayed }
  }

  /// The peers at the other ends of the relayed links to the node that can be used and are not silent, in order.
  func relayedLinks(to node: NodeID) -> [Peer] {
    links(to: node).compactMap { active($0) }.filter { !$0.isSilent && $0.facts.path == .relayed }
  }

  /// The links to the node that can be used, in order.
  func activeLinks(to node: NodeID) -> [LinkID] { links(to: node).filter { active($0) != nil } }

  /// The peer at the other end, if it may ask and be asked over this link.
  func active(_ link: LinkID) -> Peer? { peers[link].flatMap { $0.isActive ? $0 : nil } }

  // MARK: Nodes

  /// Whether no node is linked.
  var isEmpty: Bool { choices.isEmpty }

  /// The preferred links of the linked nodes, in order.
  var preferred: [LinkID] { choices.values.map(\.link).sorted() }

  /// The linked nodes, in the order of their links.
  var linked: [Peer] { preferred.compactMap { peers[$0] } }

  /// The preferred link of the node.
  func link(of node: NodeID) -> LinkID? { choices[node]?.link }

  func isLinked(_ node: NodeID) -> Bool { choices[node] != nil }

  func peer(of node: NodeID) -> Peer? { link(of: node).flatMap { peers[$0] } }

  /// The peer at the other end, if this is its node's preferred link and it may be asked.
  func preferred(_ link: LinkID) -> Peer? {
    active(link).flatMap { self.link(of: $0.node) == link ? $0 : nil }
  }

  /// How the node's link was chosen.
  func choice(of node: NodeID) -> LinkChoice? { choices[node] }

  /// The node is linked over this link, its first.
  mutating func choose(_ link: LinkID) {
    if let node = peers[link]?.node { choices[node] = LinkChoice(link) }
  }

  mutating func unchoose(_ node: NodeID) { choices[node] = nil }

  /// The links among which one is preferred.
  func candidates(of node: NodeID) -> [LinkChoice.Candidate] {
    let links = activeLinks(to: node).compactMap { peers[$0] }.filter { !$0.isContested }
    let wantsQUIC = wantsQUIC(links)
    return links.map { peer in
      LinkChoice.Candidate(
        link: peer.link, path: peer.facts.path, roundTrip: peer.measured?.roundTrip, isSilent: peer.isSilent,
        isSecondChoice: peer.facts.isQUIC != wantsQUIC || peer.isForMessagesOnly)
    }
  }

  /// Whether QUIC is better than TCP between this node and the one at the other ends of these links.
  private func wantsQUIC(_ links: [Peer]) -> Bool {
    guard prefersQUIC || links.contains(where: { $0.has(Hello.prefersQUIC) }) else { return false }
    let direct = links.filter { $0.facts.path != .relayed }.compactMap { $0.measured?.roundTrip }
    return direct.min().map { $0 >= LinkChoice.longRoundTrip } ?? false
  }

  /// Whether the node has only links of TCP, although QUIC is better.
  func lacksQUIC(_ node: NodeID) -> Bool {
    let links = activeLinks(to: node).compactMap { peers[$0] }
    return wantsQUIC(links) && !links.contains { $0.facts.isQUIC }
  }

  /// Prefers this link of its node.
  mutating func prefer(_ link: LinkID, at now: Instant) {
    if let node = peers[link]?.node { choices[node]?.take(link, at: now) }
  }

  /// Whether the node's wish for another link is granted.
  mutating func grantsWish(of node: NodeID, at now: Instant) -> Bool {
    choices[node]?.grantsWish(at: now) ?? false
  }

  /// The link that is now better than the preferred one; nil if that stays.
  mutating func improvement(of node: NodeID, at now: Instant) -> LinkID? {
    let candidates = candidates(of: node)
    return choices[node]?.improvement(among: candidates, at: now)
  }

  // MARK: Hello

  /// Whether any peer has yet to say hello.
  var awaitsHello: Bool { !helloDeadlines.isEmpty }
  var nextHelloDeadline: Instant? { helloDeadlines.next }

  /// Whether a node that this one has dialed is about to say hello.
  func isMeeting(at now: Instant) -> Bool {
    meetings.contains { link in peers[link].map { now - $0.openedAt < DialSchedule.meetingTime } ?? false }
  }

  /// Whether the stored deadlines match a scan of all links.
  var keepsItsDeadlines: Bool {
    let awaited = peers.values.filter { $0.hello == nil && !$0.isClosing }
    return helloDeadlines.next == awaited.map { $0.openedAt + Self.helloTime }.min()
      && awaited.allSatisfy { helloDeadlines[$0.link] == $0.openedAt + Self.helloTime }
  }

  /// The links whose peers have not said hello in time.
  func silent(at now: Instant) -> [LinkID] { helloDeadlines.due(at: now) }
}

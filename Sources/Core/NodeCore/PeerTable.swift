import Discovery
import Primitives

/// The links, the peers at their other ends, and the link chosen for each node.
struct PeerTable: Sendable {
  /// How long a peer may take to say hello.
  static let helloTime: Duration = .seconds(10)

  private var peers: [LinkID: Peer] = [:]
  /// All links to a node, including those that have not said hello or are closing.
  private var linksOfNode: [NodeID: Set<LinkID>] = [:]
  /// The link over which a node is asked and served.
  private var chosenLinks: [NodeID: LinkID] = [:]
  /// Links that this node dialed and over which no hello has arrived.
  private var meetings: Set<LinkID> = []
  /// When each peer must have said hello; only for peers that have not.
  private var helloDeadlines = Deadlines<LinkID>()

  // MARK: Links

  var count: Int { peers.count }

  subscript(link: LinkID) -> Peer? { peers[link] }

  /// All links, in order.
  var links: [LinkID] { peers.keys.sorted() }

  mutating func open(_ peer: Peer) {
    peers[peer.link] = peer
    linksOfNode[peer.node, default: []].insert(peer.link)
    helloDeadlines.set(peer.link, peer.openedAt + Self.helloTime)
    if peer.facts.dial != nil { meetings.insert(peer.link) }
  }

  mutating func close(_ link: LinkID) -> Peer? {
    guard let peer = peers.removeValue(forKey: link) else { return nil }
    linksOfNode[peer.node]?.remove(link)
    if linksOfNode[peer.node]?.isEmpty == true { linksOfNode[peer.node] = nil }
    if chosenLinks[peer.node] == link { chosenLinks[peer.node] = nil }
    helloDeadlines.clear(link)
    meetings.remove(link)
    return peer
  }

  /// Changes a peer's state; does nothing if the link is gone.
  mutating func change(_ link: LinkID, _ body: (inout Peer) -> Void) {
    guard var peer = peers[link] else { return }
    body(&peer)
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

  // MARK: Nodes

  /// Whether no node is linked.
  var isEmpty: Bool { chosenLinks.isEmpty }

  /// The chosen links of the linked nodes, in order.
  var chosen: [LinkID] { chosenLinks.values.sorted() }

  /// The linked nodes, in the order of their links.
  var linked: [Peer] { chosen.compactMap { peers[$0] } }

  func link(of node: NodeID) -> LinkID? { chosenLinks[node] }

  func isLinked(_ node: NodeID) -> Bool { chosenLinks[node] != nil }

  func peer(of node: NodeID) -> Peer? { chosenLinks[node].flatMap { peers[$0] } }

  /// The peer at the other end, if this is its node's chosen link and it may be asked and served.
  func active(_ link: LinkID) -> Peer? {
    guard let peer = peers[link], peer.isActive, chosenLinks[peer.node] == link else { return nil }
    return peer
  }

  mutating func choose(_ link: LinkID) { if let node = peers[link]?.node { chosenLinks[node] = link } }

  mutating func unchoose(_ node: NodeID) { chosenLinks[node] = nil }

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

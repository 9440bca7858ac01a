import Crypto
import Discovery
import Feeds
package import Primitives
import Transfer
import Wire

/// Everything a node decides, without any I/O: whom to link to, whom to believe, who may ask what, who gives which piece.
///
/// Inputs come in through its methods, each with the time; `nextEffect` then says what to do, until it is nil; `wakeAt`
/// says when `wake` wants to be called. The daemon and the simulations drive it in the same way.
package struct NodeCore: Sendable {
  /// How long a peer may take to say hello.
  package static let helloTime: Duration = .seconds(10)
  /// How often a node announces itself: a bootstrap node that was restarted knows everybody again after that time.
  package static let announcePeriod: Duration = .seconds(120)
  /// How long an announcement holds: several periods, so that a lost one does not matter.
  package static let announcementLife: Duration = .seconds(600)
  /// Links that this node opens by itself at most.
  package static let maximumDialedMembers = 512
  /// Questions of one peer that may wait for the store at once.
  package static let maximumLookups = 1_024

  package let configuration: NodeCoreConfiguration
  /// The node's ID.
  package let node: NodeID

  var channels: [Topic: Channel] = [:]
  var peers: [LinkID: Peer] = [:]
  var linkOfNode: [NodeID: LinkID] = [:]
  var presence = PresenceTable()
  var dials: DialSchedule
  var transferEngine: TransferEngine
  var feedEngine = FeedEngine()
  var lookups: [LookupID: (link: LinkID, request: FindRequest)] = [:]
  var lastLookup: UInt64 = 0
  var bootstrapNodes: [Endpoint: NodeID] = [:]
  /// Where this node says that it listens.
  var announced: [Endpoint] = []
  var listeningPort: UInt16?
  /// Hosts under which bootstrap nodes have seen this node, the latest last.
  var observedHosts: [String] = []
  var announceAt: Instant?
  /// By how many seconds other nodes' clocks are ahead of this one's.
  var clockOffsets: [NodeID: Int64] = [:]
  /// Nodes that have said that they stop, and have not been linked since.
  var departed: Set<NodeID> = []
  /// Why links to nodes were refused, by either side, since there was one.
  var goodbyes: [NodeID: Goodbye] = [:]
  /// How often each node has given bytes, or said something, that is not so.
  var badAnswers: [NodeID: Int] = [:]

  private var effects = EffectQueue<NodeEffect>()

  /// A node that knows nobody yet.
  package init(_ configuration: NodeCoreConfiguration, random: some RandomNumberGenerator & Sendable) {
    self.configuration = configuration
    node = configuration.key.publicKey
    dials = DialSchedule(random: random)
    transferEngine = TransferEngine(manifestThreshold: configuration.manifestThreshold, node: node)
  }

  /// The next thing to be done; nil when there is nothing until the next input.
  package mutating func nextEffect() -> NodeEffect? { effects.next() }

  mutating func emit(_ effect: NodeEffect) { effects.append(effect) }

  /// The active peers, for status pages and tests.
  package var activePeers: [PeerSummary] {
    linkOfNode.values.compactMap { peers[$0] }.map { peer in
      PeerSummary(
        node: peer.node, label: peer.hello?.label ?? "", isBootstrap: peer.isBootstrap, remote: peer.facts.remote,
        topics: peer.proven, clockOffset: clockOffsets[peer.node] ?? 0, badAnswers: badAnswers[peer.node] ?? 0)
    }.sorted { $0.node < $1.node }
  }

  // MARK: Time

  /// When `wake` wants to be called next.
  package var wakeAt: Instant? {
    let helloEnds = peers.values.lazy.filter { $0.hello == nil && !$0.isClosing }.map { $0.openedAt + Self.helloTime }
    return [announceAt, dials.wakeAt, transferEngine.wakeAt, feedEngine.wakeAt, helloEnds.min()].compactMap { $0 }.min()
  }

  /// Does whatever is due.
  package mutating func wake(at now: Timestamps) {
    let silent = peers.values.filter {
      $0.hello == nil && !$0.isClosing && $0.openedAt + Self.helloTime <= now.instant
    }
    for peer in silent.sorted(by: { $0.link.number < $1.link.number }) {
      refuse(peer.link, .violation, "no hello came within \(Self.helloTime.components.seconds) seconds")
    }
    if let due = announceAt, due <= now.instant {
      announce(at: now)
      presence.removeExpired(at: now.wall)
    }
    runDials(now)
    transferEngine.wake(at: now.instant)
    drainTransfer(at: now)
    feedEngine.wake(at: now.instant)
    drainFeeds()
  }

  mutating func runDials(_ now: Timestamps) {
    perform(dials.wake(now: now.instant))
    noteExpectations(at: now)
  }

  mutating func perform(_ actions: [DialSchedule.Action]) {
    for action in actions {
      switch action {
      case .dial(let id, let endpoint, let expected): emit(.link(.dial(id, endpoint, expected: expected)))
      case .cancel(let id): emit(.link(.cancelDial(id)))
      }
    }
  }

  /// Keeps the transfer engine informed of whether a peer may soon appear.
  mutating func noteExpectations(at now: Timestamps) {
    let expects = dials.isBusy || peers.values.contains { $0.hello == nil && !$0.isClosing }
    guard transferEngine.expectsPeers != expects else { return }
    transferEngine.expectsPeers = expects
    if !expects { transferEngine.settleSearches(at: now.instant) }
    drainTransfer(at: now)
  }
}

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
  package static let helloTime = PeerTable.helloTime
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

  var membership: Membership
  var peers = PeerTable()
  var introductions = Introductions()
  var reputation = Reputation()
  var dials: DialSchedule
  var transferEngine: TransferEngine
  var feedEngine = FeedEngine()
  var lookups: [LookupID: (link: LinkID, request: FindRequest)] = [:]
  var lastLookup: UInt64 = 0
  /// How often it was worked out what one peer may be asked for and given.
  package private(set) var permissionReviews: UInt64 = 0
  /// How often it was worked out whether, and where, a member is dialed.
  package private(set) var targetReviews: UInt64 = 0
  private var effects = EffectQueue<NodeEffect>()

  /// A node that knows nobody yet.
  package init(_ configuration: NodeCoreConfiguration, random: some RandomNumberGenerator & Sendable) {
    self.configuration = configuration
    node = configuration.key.publicKey
    membership = Membership(node: node)
    dials = DialSchedule(random: random)
    transferEngine = TransferEngine(manifestThreshold: configuration.manifestThreshold, node: node)
  }

  /// The next thing to be done; nil when there is nothing until the next input.
  package mutating func nextEffect() -> NodeEffect? { effects.next() }

  mutating func emit(_ effect: NodeEffect) { effects.append(effect) }

  mutating func countReview() { permissionReviews += 1 }

  mutating func countTarget() { targetReviews += 1 }

  /// How many proofs of peers were checked.
  package var checkedProofs: UInt64 { membership.checkedProofs }

  /// How many records of this node were signed.
  package var signedRecords: UInt64 { introductions.signedRecords }

  /// How often it was worked out of whom a subfeed is read.
  package var feedReviews: UInt64 { feedEngine.reviews }

  /// The active peers, for status pages and tests.
  package var activePeers: [PeerSummary] {
    peers.linked.map { peer in
      PeerSummary(
        node: peer.node, label: peer.hello?.label ?? "", isBootstrap: peer.isBootstrap, remote: peer.facts.remote,
        topics: peer.proven, clockOffset: reputation.clockOffset(of: peer.node) ?? 0,
        badAnswers: reputation.badAnswers(of: peer.node))
    }.sorted { $0.node < $1.node }
  }

  // MARK: Time

  /// When `wake` wants to be called next.
  package var wakeAt: Instant? {
    [introductions.announceAt, dials.wakeAt, transferEngine.wakeAt, feedEngine.wakeAt, peers.nextHelloDeadline]
      .compactMap { $0 }.min()
  }

  /// Whether the deadlines that are kept are those that a walk over everything finds. Tests check it after each input.
  package var keepsItsDeadlines: Bool {
    dials.keepsItsDeadlines && transferEngine.keepsItsDeadlines && feedEngine.keepsItsDeadlines
      && peers.keepsItsDeadlines
  }

  /// Does whatever is due.
  package mutating func wake(at now: Timestamps) {
    for link in peers.silent(at: now.instant) {
      refuse(link, .violation, "no hello came within \(Self.helloTime.components.seconds) seconds")
    }
    if let due = introductions.announceAt, due <= now.instant {
      announce(at: now)
      introductions.removeExpired(at: now.wall)
      updateTargets(at: now)
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
    let expects = peers.awaitsHello || dials.isBusy
    guard transferEngine.expectsPeers != expects else { return }
    transferEngine.expectsPeers = expects
    if !expects { transferEngine.settleSearches(at: now.instant) }
    drainTransfer(at: now)
  }
}

import Crypto
import Discovery
import Feeds
package import Primitives
import Transfer
import Traversal
import Wire

/// All decisions of a node, without I/O: which nodes to link to, which to believe, which may ask for what, and which
/// sends which piece.
///
/// Inputs are its methods, each with the time; `nextEffect` then returns the effects, until it is nil; `wakeAt` is when
/// to call `wake`. The daemon and the simulations drive it in the same way.
package struct NodeCore: Sendable {
  /// How long a peer may take to say hello.
  package static let helloTime = PeerTable.helloTime
  /// How often a node announces itself: after that time a restarted bootstrap node knows all nodes again.
  package static let announcePeriod: Duration = .seconds(120)
  /// How long an announcement is valid: several periods, so that a lost one does not matter.
  package static let announcementLife: Duration = .seconds(600)
  /// Most links that this node opens itself.
  package static let maximumDialedMembers = 512
  /// Most questions of one peer that may wait for the store concurrently.
  package static let maximumLookups = 1_024

  package let configuration: NodeCoreConfiguration
  /// The node's ID.
  package let node: NodeID

  var membership: Membership
  var peers = PeerTable()
  var introductions = Introductions()
  var reputation = Reputation()
  var dials: DialSchedule
  var memberChoice: MemberChoice
  var announcer: LocalAnnouncer
  var punches: PunchSchedule
  /// The attempts to connect to where rounds over UDP have led.
  var provedPlaces: [DialID: PunchSchedule.ProvedPlace] = [:]
  var udpObservers: UDPObservers
  var observationAnswers = ObservationAnswers()
  var mapping: MappingLeases
  var standby = StandbyRelays()
  var remembered = RememberedMembers()
  var identities = IdentityContests()
  var notices = NodeNotices()
  var replicas = ReplicaQuestions()
  /// Whom this node introduces, if it is a bootstrap node; nil for any node.
  var introductionLimit: IntroductionLimit?
  /// Which of the processes with this identity this is.
  let instance: UInt64
  /// The attempt to learn the NAT's next port that is running.
  var observation: Observation?
  /// Such attempts: each costs a bootstrap node a handshake.
  var observations = SecondlyAllowance(limit: 1)
  var transferEngine: TransferEngine
  var feedEngine = FeedEngine()
  var lookups: [LookupID: (link: LinkID, request: FindRequest)] = [:]
  var lastLookup: UInt64 = 0
  /// How often the permissions of a peer were determined.
  package private(set) var permissionReviews: UInt64 = 0
  /// How often it was decided whether and where to dial a member.
  package private(set) var targetReviews: UInt64 = 0
  private var effects = EffectQueue<NodeEffect>()

  /// A node that knows no other node yet.
  package init(_ configuration: NodeCoreConfiguration, random: some RandomNumberGenerator & Sendable) {
    self.configuration = configuration
    node = configuration.key.publicKey
    membership = Membership(node: node)
    peers.prefersQUIC = configuration.prefersQUIC
    introductions.usesQUIC = configuration.usesQUIC
    dials = DialSchedule(random: random)
    var random = random
    memberChoice = MemberChoice(random: &random)
    announcer = LocalAnnouncer(random: random)
    punches = PunchSchedule(of: node, random: random)
    udpObservers = UDPObservers(of: node)
    mapping = MappingLeases(random: random)
    transferEngine = TransferEngine(manifestThreshold: configuration.manifestThreshold, node: node)
    instance = random.next()
  }

  /// Removes and returns the next effect; nil if there are no more until the next input.
  package mutating func nextEffect() -> NodeEffect? { effects.next() }

  mutating func emit(_ effect: NodeEffect) { effects.append(effect) }

  mutating func countReview() { permissionReviews += 1 }

  mutating func countTarget() { targetReviews += 1 }

  /// How many proofs of peers were checked.
  package var checkedProofs: UInt64 { membership.checkedProofs }

  /// How many records of this node were signed.
  package var signedRecords: UInt64 { introductions.signedRecords }

  /// How often the nodes to read a subfeed from were chosen.
  package var feedReviews: UInt64 { feedEngine.reviews }

  // MARK: Time

  /// When to call `wake` next.
  package var wakeAt: Instant? {
    [
      introductions.announceAt, dials.wakeAt, transferEngine.wakeAt, feedEngine.wakeAt,
      peers.nextHelloDeadline, announcer.wakeAt, punches.wakeAt, observation?.deadline, mapping.wakeAt,
      standby.wakeAt, udpObservers.wakeAt, remembered.saveAt, identities.wakeAt, replicas.wakeAt,
    ]
    .compactMap { $0 }.min()
  }

  /// Whether the stored deadlines match a scan of everything. Tests check this after each input.
  package var keepsItsDeadlines: Bool {
    dials.keepsItsDeadlines && transferEngine.keepsItsDeadlines && feedEngine.keepsItsDeadlines
      && peers.keepsItsDeadlines && punches.keepsItsDeadlines && standby.keepsItsDeadlines
  }

  /// Does the work that is due.
  package mutating func wake(at now: Timestamps) {
    for link in peers.silent(at: now.instant) {
      refuse(
        link, .violation, "no hello arrived within \(Self.helloTime.components.seconds) seconds",
        at: now)
    }
    if let due = introductions.announceAt, due <= now.instant {
      announce(at: now)
      introductions.removeExpired(at: now.wall)
      updateTargets(at: now)
    }
    runAnnouncer(at: now)
    runDials(now)
    wakePunches(at: now)
    wakeObservers(at: now)
    wakeMapping(at: now)
    wakeStandby(at: now)
    saveMembers(at: now)
    wakeIdentities(at: now)
    wakeReplicas(at: now)
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
      case .dial(let id, let address, let expected): emit(.link(.dial(id, address, expected: expected)))
      case .cancel(let id): emit(.link(.cancelDial(id)))
      }
    }
  }

  /// Informs the transfer engine whether a peer may soon appear.
  mutating func noteExpectations(at now: Timestamps) {
    let expects = peers.awaitsHello || dials.isBusy
    let meets = dials.isMeeting(at: now.instant) || peers.isMeeting(at: now.instant)
    guard transferEngine.expectsPeers != expects || transferEngine.meetsPeer != meets else { return }
    transferEngine.expectsPeers = expects
    transferEngine.meetsPeer = meets
    if !expects || !meets { transferEngine.settleSearches(at: now.instant) }
    drainTransfer(at: now)
  }
}

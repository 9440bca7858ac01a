import Primitives

/// One node that is asked for small files: how many are requested ahead, and when it did what.
struct BatchPeer: Sendable {
  private static let firstAhead = 32
  private static let leastAhead = 4
  /// The files requested ahead should take about this long: more would wait behind a slow node, fewer would make a fast
  /// one wait.
  private static let shortRound: Duration = .milliseconds(500)
  private static let longRound: Duration = .seconds(1)
  private static let productiveTime: Duration = .seconds(1)

  let node: NodeID
  /// When the link was lost; nil if the node can be asked.
  var lostAt: Instant?
  /// Whether nothing more is expected from it.
  var isDropped = false
  /// Whether it sent wrong bytes.
  var isBanned = false
  /// How many times it was lost since it last sent a file.
  var losses: Int
  var heardAt: Instant
  private(set) var gaveAt: Instant?
  /// When it last answered, or was asked after it had answered everything.
  private var answeredAt: Instant
  /// The number of files to request ahead.
  private var ahead = BatchPeer.firstAhead
  /// The start of the round, which has as many answers as were requested ahead at that time.
  private var roundAt: Instant
  private var roundLeft = BatchPeer.firstAhead
  private var lastRound: Duration?

  init(_ node: NodeID, losses: Int, at now: Instant) {
    self.node = node
    self.losses = losses
    heardAt = now
    answeredAt = now
    roundAt = now
  }

  var isPresent: Bool { lostAt == nil }

  /// Whether it answers quickly: then files wait for it, however much it has to do, instead of going to a node that is
  /// less likely to have them.
  var isQuick: Bool { lastRound.map { $0 < Self.longRound } ?? false }

  /// Whether it has sent a file recently.
  func isProductive(at now: Instant) -> Bool { gaveAt.map { now - $0 < Self.productiveTime } ?? false }

  /// Whether it has not answered its requests for a while. Only meaningful with open requests.
  func hasStalled(at now: Instant) -> Bool { now - answeredAt >= BatchEngine.patience }

  /// Whether it gives no sign of life, or only signs of life for too long. Only meaningful with open requests.
  func isSilent(at now: Instant) -> Bool {
    now - max(heardAt, answeredAt) >= BatchEngine.silence || now - answeredAt >= BatchEngine.longestWait
  }

  /// How many more files may be requested. In large steps: a request per answer would be more expensive than the
  /// answer.
  func room(outstanding: Int) -> Int { outstanding <= ahead / 2 ? ahead - outstanding : 0 }

  /// Files are requested from it; before, it had answered everything if `isIdle`.
  mutating func asked(isIdle: Bool, at now: Instant) {
    guard isIdle else { return }
    answeredAt = now
    roundAt = now
    roundLeft = ahead
  }

  /// It has answered for a file.
  mutating func answered(at now: Instant) {
    heardAt = now
    answeredAt = now
    roundLeft -= 1
    guard roundLeft <= 0 else { return }
    let round = now - roundAt
    if round < Self.shortRound { ahead = min(2 * ahead, BatchSearch.maximumAhead) }
    if round > Self.longRound { ahead = max(ahead / 2, Self.leastAhead) }
    lastRound = round
    roundAt = now
    roundLeft = ahead
  }

  /// It sent a right file.
  mutating func gave(at now: Instant) {
    gaveAt = now
    losses = 0
  }
}

import Primitives

/// One node that small files are asked of: how much it is asked for ahead, and when it did what.
struct BatchPeer: Sendable {
  private static let firstAhead = 32
  private static let leastAhead = 4
  /// What is asked for ahead should take about this long: more would wait behind a slow node, less would make a quick one
  /// wait.
  private static let shortRound: Duration = .milliseconds(500)
  private static let longRound: Duration = .seconds(1)
  private static let productiveTime: Duration = .seconds(1)

  let node: NodeID
  /// When the link was lost; nil if the node can be asked.
  var lostAt: Instant?
  /// Nothing more is expected of it.
  var isDropped = false
  /// It gave wrong bytes.
  var isBanned = false
  /// How often it was lost since it gave something.
  var losses: Int
  var heardAt: Instant
  private(set) var gaveAt: Instant?
  /// When it last answered, or was asked after it had answered everything.
  private var answeredAt: Instant
  /// Files that it is asked for ahead.
  private var ahead = BatchPeer.firstAhead
  /// A round has as many answers as were asked for ahead at its start.
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

  /// Whether it gives what it is asked for in good time: then files wait for it, however much it has to do, rather than go
  /// to a node that is less likely to have them.
  var isQuick: Bool { lastRound.map { $0 < Self.longRound } ?? false }

  /// Whether it has given a file lately.
  func isProductive(at now: Instant) -> Bool { gaveAt.map { now - $0 < Self.productiveTime } ?? false }

  /// Whether it, which has been asked for something, has not answered for a while.
  func hasStalled(at now: Instant) -> Bool { now - answeredAt >= BatchEngine.patience }

  /// Whether it, which has been asked for something, gives no sign of life, or signs of life and nothing else.
  func isSilent(at now: Instant) -> Bool {
    now - max(heardAt, answeredAt) >= BatchEngine.silence || now - answeredAt >= BatchEngine.longestWait
  }

  /// How many more files it may be asked for. In large steps: a request for every answer would cost more than the answer.
  func room(outstanding: Int) -> Int { outstanding <= ahead / 2 ? ahead - outstanding : 0 }

  /// It is asked for files; before, it had answered everything if `isIdle`.
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

  /// A file that it gave is the right one.
  mutating func gave(at now: Instant) {
    gaveAt = now
    losses = 0
  }
}

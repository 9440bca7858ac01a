package import Primitives

/// Loads many small files from several nodes, without I/O: decides which node to ask for which file, which not to wait
/// for, and when to give up.
///
/// A node's answers count, not its claims. If a node that was asked sends nothing for a moment, it only loses its
/// monopoly: other nodes are asked for its files as well, a few, then more, then all, and the first right answer wins.
/// So an honest node that is linked delivers within 3 s, however many others are silent, slow, busy or dishonest. A
/// node that is the only source is waited for, as long as it gives a sign of life.
package struct BatchEngine: Sendable {
  /// How long only one node is asked for a file.
  package static let patience: Duration = .milliseconds(1_200)
  /// How long a few more nodes, and then again some more, are asked before all are.
  package static let furtherPatience: Duration = .milliseconds(400)
  /// How many nodes may be asked for it concurrently, step by step.
  static let askedTogether = [4, 16, .max]
  /// A node counts as lost after this time without a byte or a sign of life.
  package static let silence: Duration = .seconds(20)
  /// A node counts as lost after this time without an answer, whatever signs of life it gives.
  package static let longestWait: Duration = .seconds(1_800)
  /// How long a node whose link was lost is expected to return.
  package static let timeToReturn: Duration = .seconds(5)
  /// How many times a node may be lost without sending anything in between; after that it is not expected to return.
  package static let maximumLosses = 3
  /// Most files in one request.
  package static let requestFiles = 1_024
  private static let tick: Duration = .seconds(1)

  /// An action for the carrier.
  package enum Effect: Hashable, Sendable {
    /// Ask the node for these files; report with `received` and `answered`, in the same order.
    case request(NodeID, [Int])
    /// Request nothing more from the node, and forget earlier requests to it.
    case close(NodeID)
    /// The file cannot be loaded in a batch.
    case ended(Int, Failure)
  }

  /// Why a file cannot be loaded.
  package enum Failure: Hashable, Sendable {
    /// Every node was asked, and none has it.
    case nowhere(asked: Int)
    /// It is too large for a batch, or a node could not be asked: the engine for large files must look for it.
    case needsEngine
  }

  private struct Aging {
    let file: Int
    let dueAt: Instant
  }

  private var search = BatchSearch()
  private var peers: [NodeID: BatchPeer] = [:]
  /// The nodes in the order in which they were added.
  private var order: [NodeID] = []
  /// Files that nodes are asked for, by how many nodes may be asked concurrently, in the order in which more may be
  /// asked.
  private var aging = [Queue<Aging>](repeating: Queue(), count: BatchEngine.askedTogether.count)
  private var wasAsked: [Bool] = []
  private var openFiles = 0
  /// Whether a node that may have a file was not asked, or was lost before it answered.
  private var isIncomplete = false
  /// When new input arrived; nil if there is none.
  private var newsAt: Instant?
  private var tickAt: Instant?
  private var effects = EffectQueue<Effect>()

  package init() {}

  /// Removes and returns the next effect; nil if there are no more until the next input.
  package mutating func nextEffect() -> Effect? { effects.next() }

  /// When to call `wake` next: immediately after an input; several inputs may precede it.
  package var wakeAt: Instant? {
    if let newsAt { return newsAt }
    guard openFiles > 0 else { return nil }
    return (aging.map { $0.first?.dueAt } + [tickAt]).compactMap { $0 }.min()
  }

  /// Does the work that is due, and requests the files that may be requested.
  package mutating func wake(at now: Instant) {
    newsAt = nil
    shareOldFiles(at: now)
    dropSilent(at: now)
    if tickAt.map({ $0 <= now }) ?? true { tickAt = now + Self.tick }
    ask(at: now)
    tellOutcomes()
  }

  // MARK: Input

  /// Adds `count` files to load; their indices follow those of earlier files.
  package mutating func add(_ count: Int, at now: Instant) {
    wasAsked += Array(repeating: false, count: count)
    openFiles += count
    search.add(count)
    newsAt = now
  }

  /// A node may be asked: it has just been linked, perhaps again.
  package mutating func linked(_ node: NodeID, at now: Instant) {
    guard peers[node].map({ !$0.isPresent && !$0.isBanned }) ?? true else { return }
    guard search.add(node) else {
      isIncomplete = true
      return
    }
    let losses = peers[node]?.losses ?? 0
    if peers[node] == nil { order.append(node) }
    peers[node] = BatchPeer(node, losses: losses, at: now)
    newsAt = now
  }

  /// The node can no longer be asked; it may be linked again.
  package mutating func lost(_ node: NodeID, at now: Instant) {
    guard let peer = peers[node], peer.isPresent else { return }
    peers[node]?.losses += 1
    peers[node]?.lostAt = now
    guard peer.losses + 1 < Self.maximumLosses else { return drop(node, at: now) }
    search.lost(node, mayReturn: true)
    newsAt = now
  }

  /// The node serves its maximum number of transfers. The other engine waits for it; meanwhile other nodes may have the
  /// files.
  package mutating func busy(_ node: NodeID, at now: Instant) {
    guard peers[node]?.isPresent == true else { return }
    effects.append(.close(node))
    peers[node]?.lostAt = now
    drop(node, at: now)
  }

  /// Bytes have arrived from the node, possibly only a part of a file.
  package mutating func heard(_ node: NodeID, at now: Instant) { peers[node]?.heardAt = now }

  /// The node reports that others have their turns first.
  package mutating func waits(for node: NodeID, at now: Instant) { peers[node]?.heardAt = now }

  /// The bytes of a file have arrived from a node; `answered` will report whether they are right.
  ///
  /// - Returns: false if they are no longer needed; then `answered` need not be called.
  package mutating func received(_ file: Int, from node: NodeID, at now: Instant) -> Bool {
    peers[node]?.answered(at: now)
    // The disk may be slower than the link: a node that delivers between its losses is worth waiting for.
    peers[node]?.losses = 0
    newsAt = now
    search.received(file, from: node)
    return !search.isEnded(file)
  }

  /// A node does not have the file, or its bytes for the file were checked.
  ///
  /// - Returns: whether that settles the file; another node may have sent it meanwhile.
  package mutating func answered(
    _ file: Int, by node: NodeID, _ answer: BatchSearch.Answer, at now: Instant
  ) -> Bool {
    newsAt = now
    switch answer {
    case .hasNot, .tooLarge: peers[node]?.answered(at: now)
    case .gave: peers[node]?.gave(at: now)
    case .misbehaved:
      isIncomplete = true
      peers[node]?.isBanned = true
      if peers[node]?.isPresent == true { effects.append(.close(node)) }
      if peers[node]?.isPresent == true { peers[node]?.lostAt = now }
    }
    return search.answered(file, by: node, answer)
  }

  // MARK: Requests

  private mutating func ask(at now: Instant) {
    var rooms: [(node: NodeID, room: Int, isProven: Bool)] = []
    for node in order {
      guard let peer = peers[node], peer.isPresent else { continue }
      let outstanding = search.outstanding(of: node)
      let isStalled = outstanding > 0 && peer.hasStalled(at: now)
      let room = isStalled ? 0 : peer.room(outstanding: outstanding)
      search.note(
        node, isWaitedFor: !isStalled && (room > 0 || peer.isQuick), isProductive: peer.isProductive(at: now))
      if room > 0 { rooms.append((node, room, peer.gaveAt != nil)) }
    }
    // Unproven nodes get equal shares, so that not all files wait behind one of them.
    let unproven = max(1, rooms.count { !$0.isProven })
    let share = max(1, (search.waitingCount + unproven - 1) / unproven)
    for (node, room, isProven) in rooms {
      let count = min(isProven ? room : min(room, share), Self.requestFiles)
      let files = search.next(for: node, atMost: count)
      guard !files.isEmpty else { continue }
      peers[node]?.asked(isIdle: search.outstanding(of: node) == files.count, at: now)
      for file in files where !wasAsked[file] {
        wasAsked[file] = true
        aging[0].append(Aging(file: file, dueAt: now + Self.patience))
      }
      effects.append(.request(node, files))
    }
  }

  private mutating func shareOldFiles(at now: Instant) {
    for step in aging.indices {
      while let next = aging[step].first, next.dueAt <= now {
        aging[step].removeFirst(1)
        guard !search.isEnded(next.file) else { continue }
        search.allow(Self.askedTogether[step], for: next.file)
        if step + 1 < aging.count {
          aging[step + 1].append(Aging(file: next.file, dueAt: now + Self.furtherPatience))
        }
      }
    }
  }

  private mutating func dropSilent(at now: Instant) {
    for node in order {
      guard let peer = peers[node] else { continue }
      if peer.isPresent, search.outstanding(of: node) > 0, peer.isSilent(at: now) {
        effects.append(.close(node))
        peers[node]?.lostAt = now
        drop(node, at: now)
      } else if let lostAt = peer.lostAt, !peer.isDropped, now - lostAt >= Self.timeToReturn {
        drop(node, at: now)
      }
    }
  }

  /// Stops expecting anything from a node.
  private mutating func drop(_ node: NodeID, at now: Instant) {
    isIncomplete = true
    peers[node]?.isDropped = true
    search.lost(node)
    newsAt = now
  }

  private mutating func tellOutcomes() {
    for (file, outcome) in search.takeOutcomes() {
      openFiles -= 1
      switch outcome {
      case .arrived: break
      case .nowhere: effects.append(.ended(file, isIncomplete ? .needsEngine : .nowhere(asked: order.count)))
      case .large: effects.append(.ended(file, .needsEngine))
      }
    }
  }
}

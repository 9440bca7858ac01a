import Primitives
import Wire

/// One attempt at a file, based on one claim, with the sources that support it. Several run concurrently while nodes
/// contradict each other.
///
/// Decides which source is asked for which piece, and when another one is asked for it too. `Attempts` decides whether
/// a source is still believed, and which attempt it serves.
struct Download: Sendable {
  /// How long the other sources wait for a manifest that one of them has named.
  private static let manifestPatience: Duration = .milliseconds(600)
  /// Most sources that are asked for one piece.
  private static let maximumHolders = 32

  let id: DownloadID
  /// The wanted file.
  let hash: ContentHash
  let claim: Claim
  /// Whether it has been postponed before.
  let isRetry: Bool
  private(set) var phase = DownloadPhase.waiting
  private var sources: [NodeID: SourceState] = [:]

  init(_ id: DownloadID, of hash: ContentHash, _ claim: Claim, isRetry: Bool = false) {
    self.id = id
    self.hash = hash
    self.claim = claim
    self.isRetry = isRetry
  }

  var plan: DownloadPlan? { phase.plan }

  var fetching: Fetching? { phase.fetching }

  /// Bytes that have arrived.
  var loadedBytes: UInt64 { phase.loadedBytes }

  /// The manifest that it needs, or uses.
  var manifest: ContentHash? { if case .manifest(let manifest) = claim { manifest } else { nil } }

  /// The manifest that it waits for.
  var awaitedManifest: ContentHash? { if case .fetchingManifest = phase { manifest } else { nil } }

  /// Whether it can still succeed without another answer.
  var isActive: Bool {
    switch phase {
    case .readingManifest, .fetchingManifest, .preparing, .completing: true
    case .fetching, .waiting: !sources.isEmpty
    case .postponed: false
    }
  }

  // MARK: Sources

  /// Its sources, in order.
  var nodes: [NodeID] { sources.keys.sorted() }

  /// The size of the file according to the source that claims the largest.
  var claimedSize: UInt64 { sources.values.map(\.source.file.size).max() ?? 0 }

  /// Its sources, unordered.
  var states: some Collection<SourceState> { sources.values }

  subscript(node: NodeID) -> SourceState? { sources[node] }

  mutating func add(_ source: SourceState) { sources[source.node] = source }

  /// Removes a source; its pieces are requested from the others.
  mutating func remove(_ node: NodeID, _ out: inout TransferOutbox) -> SourceState? {
    guard var source = sources[node] else { return nil }
    if outstanding(from: node) > 0 {
      out.emit(.download(.abandon(id, node)))
      giveBack(piecesOf: node, &out)
    }
    sources[node] = nil
    source.heardAt = nil
    return source
  }

  mutating func setDelay(_ delay: SourceDelay, of node: NodeID) { sources[node]?.delay = delay }

  /// Requests nothing more from a source that is about to be removed.
  mutating func stopAsking(_ node: NodeID) { sources[node]?.isLeaving = true }

  // MARK: Steps

  mutating func readManifest(_ manifest: ContentHash, _ out: inout TransferOutbox) {
    phase = .readingManifest
    out.emit(.download(.readManifest(id, of: hash, named: manifest)))
  }

  mutating func awaitManifest(isLate: Bool, at now: Instant) {
    phase = .fetchingManifest(patientUntil: now + Self.manifestPatience, isLate: isLate)
  }

  mutating func prepare(_ plan: DownloadPlan, _ out: inout TransferOutbox) {
    phase = .preparing(plan)
    out.emit(.download(.prepare(id, plan)))
  }

  mutating func postpone(mayRetry: Bool) { phase = .postponed(mayRetry: mayRetry) }

  /// The store is ready to receive the file; these pieces are stored already, verified.
  mutating func prepared(verified: PieceSet, _ out: inout TransferOutbox, at now: Instant) {
    guard case .preparing(let plan) = phase else { return }
    phase = .fetching(Fetching(plan, verified: verified))
    proceed(&out, at: now)
  }

  /// Requests whatever can be requested, and has the whole file checked once every piece has arrived.
  mutating func proceed(_ out: inout TransferOutbox, at now: Instant) {
    schedule(&out, at: now)
    guard let fetching, fetching.isComplete else { return }
    phase = .completing(fetching.plan, providers: fetching.providers)
    out.emit(.download(.complete(id)))
  }

  // MARK: Bytes

  /// Bytes of a piece have arrived: now `received` of its first bytes.
  ///
  /// - Returns: the node that sent them; nil if the fetch has ended.
  mutating func received(_ fetch: FetchID, _ received: UInt64, at now: Instant) -> NodeID? {
    let known = change { fetching -> (node: NodeID, new: UInt64)? in
      guard let before = fetching.fetches[fetch] else { return nil }
      fetching.fetches[fetch]?.received = max(before.received, received)
      return (before.node, received - min(before.received, received))
    }
    guard let (node, new) = known ?? nil else { return nil }
    sources[node]?.gave(new, at: now)
    return node
  }

  /// The fetch of a piece has ended.
  ///
  /// - Returns: the fetch, and the nodes that were overtaken too often; nil if it had ended before.
  mutating func end(
    _ fetchID: FetchID, _ outcome: FetchOutcome, _ out: inout TransferOutbox, at now: Instant
  ) -> (fetch: Fetching.Fetch, overtaken: [NodeID])? {
    guard let fetch = fetching?.fetches[fetchID] else { return nil }
    out.downloadOfFetch[fetchID] = nil
    guard case .verified = outcome else {
      change { $0.end(fetchID, isKept: outcome.keepsBytes) }
      resetExhausted()
      return (fetch, [])
    }
    let rivals = change { $0.verified(fetchID) } ?? []
    sources[fetch.node]?.gave(0, at: now)
    sources[fetch.node]?.lostRaces = 0
    if outstanding(from: fetch.node) == 0 { sources[fetch.node]?.pause(at: now) }
    var overtaken: [NodeID] = []
    for (rivalID, rival) in rivals {
      out.downloadOfFetch[rivalID] = nil
      let hasLost = overtake(rival.node, hasBegunFirst: rival.begunAt < fetch.begunAt, &out, at: now)
      if hasLost { overtaken.append(rival.node) }
    }
    return (fetch, overtaken)
  }

  /// Another source sent the piece first: the remaining pieces of this one are requested from others.
  ///
  /// - Returns: whether that has happened too often.
  private mutating func overtake(
    _ node: NodeID, hasBegunFirst: Bool, _ out: inout TransferOutbox, at now: Instant
  ) -> Bool {
    out.emit(.download(.abandon(id, node)))
    giveBack(piecesOf: node, &out)
    sources[node]?.delay = nil
    sources[node]?.pause(at: now)
    guard hasBegunFirst else { return false }
    sources[node]?.lostRaces += 1
    return sources[node].map { $0.lostRaces >= TransferEngine.maximumOvertaken } ?? false
  }

  /// The fetched piece does not have its hash: nothing from the node's fetches is kept.
  ///
  /// - Returns: whether the node alone sent the piece. If others sent its beginning, the whole piece is fetched again
  ///   from one node.
  mutating func discard(_ fetch: Fetching.Fetch, _ out: inout TransferOutbox) -> Bool {
    let beginning = fetch.isSpare ? nil : change { $0.beginnings.removeValue(forKey: fetch.piece) } ?? nil
    out.emit(.download(.abandon(id, fetch.node)))
    giveBack(piecesOf: fetch.node, isKept: false, &out)
    return beginning.map { $0.providers == [fetch.node] } ?? true
  }

  /// Ends the node's fetches. Received bytes are kept, unless they may be wrong.
  private mutating func giveBack(piecesOf node: NodeID, isKept: Bool = true, _ out: inout TransferOutbox) {
    let ended = change { fetching in
      let ended = fetching.fetches.filter { $0.value.node == node }.keys.sorted { $0.number < $1.number }
      for fetch in ended { fetching.end(fetch, isKept: isKept) }
      return ended
    }
    for fetch in ended ?? [] { out.downloadOfFetch[fetch] = nil }
    resetExhausted()
  }

  /// Ends all fetches.
  func release(_ out: inout TransferOutbox) {
    out.retrievalOfDownload[id] = nil
    for fetch in fetching?.fetches.keys.sorted(by: { $0.number < $1.number }) ?? [] {
      out.downloadOfFetch[fetch] = nil
    }
    for node in fetching?.askedNodes.sorted() ?? [] { out.emit(.download(.abandon(id, node))) }
    out.emit(.download(.discard(id)))
  }

  /// A piece is missing again: exhausted sources may have it.
  private mutating func resetExhausted() { for node in nodes { sources[node]?.isExhausted = false } }

  /// Changes the pieces in place; does nothing, and returns nil, in another phase.
  @discardableResult
  private mutating func change<Value>(_ body: (inout Fetching) -> Value) -> Value? {
    guard case .fetching(var fetching) = phase else { return nil }
    // The pieces must have only one reference, or changing them would copy them.
    phase = .waiting
    defer { phase = .fetching(fetching) }
    return body(&fetching)
  }

  // MARK: Delays

  /// A source reports that this node's request waits for its turn, as do `others` other peers.
  ///
  /// - Returns: whether to wait for it.
  mutating func wait(for node: NodeID, others: UInt32, at now: Instant) -> Bool {
    guard let source = sources[node], outstanding(from: node) > 0 else { return false }
    var delay = source.delay ?? SourceDelay(since: source.heardAt ?? now)
    guard !delay.isTooLong(at: now) else { return false }
    delay.others = others
    sources[node]?.delay = delay
    sources[node]?.heardAt = now
    return true
  }

  /// A source serves its maximum number of transfers: it is asked again after a pause.
  ///
  /// - Returns: false if the wait has reached its maximum.
  mutating func rest(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) -> Bool {
    out.emit(.download(.abandon(id, node)))
    var delay = sources[node]?.delay ?? SourceDelay(since: now)
    guard !delay.isTooLong(at: now) else { return false }
    delay.refused(at: now)
    giveBack(piecesOf: node, &out)
    sources[node]?.delay = delay
    sources[node]?.pause(at: now)
    schedule(&out, at: now)
    return true
  }

  // MARK: Time

  /// When to call `wake` next, or when a source counts as silent.
  var wakeAt: Instant? {
    let rests = sources.values.compactMap { $0.delay?.asksAgainAt }.min()
    switch phase {
    case .fetchingManifest(let instant, _): return [rests, instant].compactMap { $0 }.min()
    case .fetching(let fetching):
      let asked = fetching.askedNodes.compactMap { sources[$0]?.heardAt }.min()
      return [rests, fetching.checksAt, asked.map { $0 + TransferEngine.silence }].compactMap { $0 }.min()
    default: return rests
    }
  }

  /// The sources that have sent nothing for too long, in order.
  func silent(at now: Instant) -> [SourceState] {
    (fetching?.askedNodes ?? []).sorted().compactMap { sources[$0] }.filter { source in
      source.heardAt.map { $0 + TransferEngine.silence <= now } ?? false
    }
  }

  /// Asks sources again whose pause is over, and others for late pieces.
  mutating func wake(_ out: inout TransferOutbox, at now: Instant) {
    for node in nodes {
      guard let due = sources[node]?.delay?.asksAgainAt, due <= now else { continue }
      sources[node]?.delay?.ask()
      schedule(&out, at: now)
    }
    guard let due = fetching?.checksAt, due <= now else { return }
    race(&out, at: now)
  }

  // MARK: Choosing sources

  /// Requests pieces from each source until it has enough to do, starting with `preferred` and then the fastest.
  mutating func schedule(preferring preferred: NodeID? = nil, _ out: inout TransferOutbox, at now: Instant) {
    guard fetching != nil else { return }
    var isProgressing = true
    while isProgressing, fetching?.missing.isEmpty == false {
      isProgressing = false
      for node in nodesByRate(preferring: preferred, at: now) where wantsMore(node, at: now) {
        guard let piece = choosePiece(for: node, out) else {
          if sources[node]?.source.file.isWhole == false { sources[node]?.isExhausted = true }
          continue
        }
        change { $0.missing.remove(piece) }
        fetch(piece, from: node, isSpare: false, &out, at: now)
        isProgressing = true
      }
    }
    let hasIdleSource = fetching?.fetches.isEmpty == false && sources.values.contains { isIdle($0) }
    change { $0.checksAt = hasIdleSource ? now + TransferEngine.slownessCheck : nil }
  }

  /// Requests the next piece from a sending source if it will soon have nothing to do.
  mutating func scheduleNext(after node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard fetching?.missing.isEmpty == false, wantsMore(node, at: now) else { return }
    schedule(&out, at: now)
  }

  /// The source's lanes are idle: requests another piece from it, even if its rate is unknown.
  mutating func hasRoom(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    let count = outstanding(from: node)
    guard count < TransferEngine.mostPiecesAhead else { return }
    sources[node]?.room = count + 1
    schedule(&out, at: now)
    sources[node]?.room = 0
  }

  /// Asks idle sources for pieces that others are late with. The first complete copy counts.
  private mutating func race(_ out: inout TransferOutbox, at now: Instant) {
    for piece in fetching?.piecesUnderway ?? [] {
      let idle = idleNodes(for: piece, out, at: now)
      guard !idle.isEmpty else { continue }
      let holders = fetching?.holders(of: piece).count ?? 0
      let more = holders == 1 ? 1 : 2 * holders
      for node in idle.prefix(max(0, min(more, Self.maximumHolders - holders))) {
        fetch(piece, from: node, isSpare: true, &out, at: now)
      }
      change { $0.racedAt[piece] = now }
    }
    schedule(&out, at: now)
  }

  /// The sources that may be asked for a late piece, the one expected to be fastest first.
  private func idleNodes(for piece: Int, _ out: TransferOutbox, at now: Instant) -> [NodeID] {
    guard let fetching else { return [] }
    let pace = SourcePace(fetching: fetching, sources: sources, now: now)
    let choice = pieceChoice(fetching.plan, out)
    let idle = sources.values.filter { source in
      isIdle(source) && choice.gives(source.source, piece) && pace.isLate(piece, insteadOf: source)
    }
    return idle.map { (node: $0.node, rank: pace.rank(ofSpare: $0, for: piece)) }
      .sorted { ($0.rank, $0.node) < ($1.rank, $1.node) }.map(\.node)
  }

  private mutating func fetch(
    _ piece: Int, from node: NodeID, isSpare: Bool, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let source = sources[node]?.source else { return }
    if outstanding(from: node) == 0 { sources[node]?.begin(at: now) }
    let fetch = FetchID(number: out.newNumber())
    let order = change { fetching in
      let kept = isSpare ? 0 : fetching.kept(of: piece)
      fetching.fetches[fetch] = Fetching.Fetch(
        piece: piece, node: node, isSpare: isSpare, begunAt: now, received: kept)
      return PieceFetch(
        id: fetch, piece: fetching.plan.pieces[piece], source: source, kept: kept, isSpare: isSpare)
    }
    guard let order else { return }
    out.downloadOfFetch[fetch] = id
    out.emit(.fetch(order, id))
  }

  private func choosePiece(for node: NodeID, _ out: TransferOutbox) -> Int? {
    guard let source = sources[node]?.source, let fetching else { return nil }
    return pieceChoice(fetching.plan, out).piece(for: source, of: fetching.missing)
  }

  private func pieceChoice(_ plan: DownloadPlan, _ out: TransferOutbox) -> PieceChoice {
    let others = sources.values.map(\.source).filter { !$0.file.isWhole && $0.hash == hash }
    return PieceChoice(plan: plan, others: others, own: out.node, chunkSize: out.manifestThreshold)
  }

  /// The fastest first, then those with an unknown rate, then those that have sent nothing; always in the same order.
  private func nodesByRate(preferring preferred: NodeID?, at now: Instant) -> [NodeID] {
    let known = sources.values.map { ($0.node, $0.node == preferred ? .infinity : $0.estimate(at: now)) }
    return known.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 > $1.1 }.map(\.0)
  }

  /// Whether the source should be asked for another piece now.
  private func wantsMore(_ node: NodeID, at now: Instant) -> Bool {
    guard let source = sources[node], !source.isResting, !source.isExhausted else { return false }
    let count = outstanding(from: node)
    guard let fetching, count > 0 else { return true }
    let timeLeft = SourcePace(fetching: fetching, sources: sources, now: now).timeLeft(for: source)
    if count < source.room {
      // Its lanes are idle. Another source could give the piece meanwhile, if there is one.
      let isOnlyOne = !sources.values.contains { $0.node != node && !$0.isResting && !$0.isExhausted }
      return isOnlyOne || timeLeft.map { $0 < SourcePace.lead } ?? true
    }
    guard count < TransferEngine.piecesAhead, let timeLeft else { return false }
    return timeLeft < SourcePace.lead
  }

  /// Whether the source has nothing to do and may be asked.
  private func isIdle(_ source: SourceState) -> Bool { !source.isResting && outstanding(from: source.node) == 0 }

  /// The number of pieces requested from the node.
  func outstanding(from node: NodeID) -> Int { fetching?.outstanding(from: node) ?? 0 }
}

import Primitives
import Wire

/// The nodes that have a wanted file, and the attempts at it.
///
/// What a node says about a file is a claim. Nodes that agree serve one attempt together; contradicting claims get
/// separate attempts, which run concurrently. The first attempt whose bytes have the file's hash wins.
struct Attempts: Sendable {
  /// Most concurrent attempts. Each costs a file and, while its sources send, their windows; nodes that each make a
  /// different claim must not keep an honest one waiting.
  static let maximumRunning = 32

  let query: FileQuery
  /// Whether the file is only wanted as another file's manifest. A manifest has no manifest, and is not large.
  let isManifest: Bool
  private(set) var table = AttemptTable()
  private(set) var ruledOut = RuledOut()
  private(set) var losses = SourceLosses()
  /// Why an attempt could not be written.
  private(set) var storageError: KacheryError?

  init(_ query: FileQuery, isManifest: Bool) {
    self.query = query
    self.isManifest = isManifest
  }

  private var hash: ContentHash { query.key.hash }

  /// Changes an attempt in place; does nothing, and returns nil, if it is gone.
  @discardableResult
  mutating func change<Value>(_ id: DownloadID, _ body: (inout Download) -> Value) -> Value? { table.change(id, body) }

  // MARK: Searches

  /// A search for the file begins.
  mutating func beginSearch(at now: Instant) { losses.beginSearch(at: now) }

  /// The search has ended: every node that was asked has answered, or the wait is over.
  mutating func endSearch(asked: Int) { losses.endSearch(asked: asked) }

  /// A search would only find a source again that was dropped.
  mutating func skipSearch() { losses.skipSearch(with: table.loadedBytes) }

  /// A node that is banned for this file claims to have it.
  mutating func refuse(_ node: NodeID) { ruledOut.nodes.append(node) }

  /// Starts a new search if no source has the whole file, and something has arrived since the last search.
  private mutating func searchIfSourceless(_ out: inout TransferOutbox) {
    guard !table.hasWholeSource, losses.shouldSearch(with: table.loadedBytes) else { return }
    out.requests.append(.search(hash))
  }

  // MARK: Sources

  /// A node has the file: it starts an attempt, or joins one with the same claim.
  mutating func add(_ source: Source, _ out: inout TransferOutbox, at now: Instant) {
    let node = source.node
    guard !ruledOut.nodes.contains(node), query.isServed(by: source, isManifest: isManifest) else { return }
    // No such file exists, and no file is its own manifest.
    let isItsOwnManifest = source.file.isWhole && source.file.manifest == source.hash
    guard source.file.size <= Limits.maximumFileSize, !isItsOwnManifest else {
      return penalize(node, for: hash, &out, at: now)
    }
    let known = table.source(node)
    // The file itself is better than a larger one that contains it, and news of a partial source replaces older news.
    if let known = known?.source, known.hash == hash {
      guard !known.file.isWhole, source.hash == known.hash else { return }
    }
    let hasRoom = known != nil || table.states.count { !$0.source.file.isWhole } < PartialAsking.maximumNodes
    guard source.file.isWhole || hasRoom else { return }
    var state = table.take(node, &out) ?? SourceState(source)
    state.source = source
    state.isExhausted = false
    assign(state, &out, at: now)
  }

  /// Finds the attempt that the source serves, or begins one; drops a source that is useless for every attempt.
  private mutating func assign(_ source: SourceState, _ out: inout TransferOutbox, at now: Instant) {
    guard let (claim, known) = claim(of: source, out.manifestThreshold) else { return }
    join(known ?? newDownload(claim, &out), source, &out, at: now)
  }

  /// The claim that the source supports, and its attempt if there is one; nil if the source is useless for every
  /// attempt.
  private func claim(of source: SourceState, _ threshold: UInt64) -> (claim: Claim, known: DownloadID?)? {
    let downloads = table.inOrder
    let choice = ClaimChoice(
      query: query, isManifest: isManifest, ruledOut: ruledOut, downloads: downloads, threshold: threshold)
    return choice.claim(of: source).map { claim in (claim, downloads.first { $0.claim == claim }?.id) }
  }

  private mutating func join(
    _ id: DownloadID, _ source: SourceState, _ out: inout TransferOutbox, at now: Instant
  ) {
    table.add(source, to: id)
    if table[id]?.phase.isUnprepared == true, source.source.file.isWhole {
      out.emit(.willFetch(source.source.file.size, id, from: source.node))
    }
    switch table[id]?.phase {
    case .waiting: start(id, &out, at: now)
    case .preparing, .completing: _ = takeIfFit(source.node, &out, at: now)
    case .fetching: if takeIfFit(source.node, &out, at: now) { table.change(id) { $0.schedule(&out, at: now) } }
    case .readingManifest, .fetchingManifest, .postponed, nil: break
    }
  }

  private mutating func newDownload(_ claim: Claim, isRetry: Bool = false, _ out: inout TransferOutbox) -> DownloadID {
    let id = DownloadID(number: out.newNumber())
    table.insert(Download(id, of: hash, claim, isRetry: isRetry))
    out.retrievalOfDownload[id] = hash
    return id
  }

  /// Returns whether the source agrees with the plan of its attempt; if not, assigns it to another one. A node that
  /// contradicts the manifest that it names itself misbehaves in any case.
  private mutating func takeIfFit(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) -> Bool {
    guard let source = table.source(node)?.source, let plan = table.id(of: node).flatMap({ table[$0]?.plan }),
      let manifest = plan.manifest
    else {
      return true
    }
    if let chunks = source.file.chunks {
      if source.file.size == plan.size, chunks.fits(plan.pieces.count) { return true }
      _ = table.take(node, &out)
      return false
    }
    guard source.file.size != plan.size else { return true }
    if manifest != query.key.manifest, source.file.manifest == manifest {
      penalize(node, for: hash, &out, at: now)
    } else {
      reassign(node, &out, at: now) { $0.unusable.insert(manifest) }
    }
    return false
  }

  private mutating func reassign(
    _ node: NodeID, _ out: inout TransferOutbox, at now: Instant, _ change: (inout SourceState) -> Void = { _ in }
  ) {
    guard var source = table.take(node, &out) else { return }
    change(&source)
    assign(source, &out, at: now)
  }

  /// Removes a source from the retrieval, and starts a new search if it was the last one with the whole file and
  /// something has arrived since the last search.
  mutating func drop(_ node: NodeID, mayReturn: Bool = false, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = table.id(of: node) else { return }
    _ = table.take(node, &out)
    losses.add(node, mayReturn: mayReturn)
    searchIfSourceless(&out)
    table.change(id) { $0.schedule(&out, at: now) }
  }

  /// Requests nothing more from a node that is about to be dropped.
  mutating func stopAsking(_ node: NodeID) {
    guard let id = table.id(of: node) else { return }
    table.change(id) { $0.stopAsking(node) }
  }

  /// Drops a node that was loading the file itself and no longer offers it.
  mutating func dropIfPartial(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    if table.source(node)?.source.file.isWhole == false { drop(node, &out, at: now) }
  }

  /// The source does not send the file, or no longer does.
  mutating func lose(_ node: NodeID, _ loss: FileHistory.Loss, _ out: inout TransferOutbox, at now: Instant) {
    out.history.update(hash) { $0.noteLoss(node, loss) }
    if let id = table.id(of: node) { out.emit(.download(.abandon(id, node))) }
    drop(node, mayReturn: loss == .disconnected, &out, at: now)
  }

  /// Does not trust the node about this file for a while.
  private mutating func penalize(
    _ node: NodeID, for bytes: ContentHash, _ out: inout TransferOutbox, at now: Instant
  ) {
    _ = table.take(node, &out)
    out.bans.note(node, hash, at: now)
    out.history.update(hash) { $0.noteLoss(node, .misbehaved) }
    ruledOut.nodes.append(node)
    out.emit(.misbehaved(node, bytes))
  }

  // MARK: Steps

  /// Starts an attempt unless the maximum number is running.
  mutating func start(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard table.runningCount < Self.maximumRunning, let download = table[id] else { return }
    let size: UInt64
    let stripe: UInt64
    switch download.claim {
    case .manifest(let manifest):
      table.change(id) { $0.readManifest(manifest, &out) }
      return
    case .size(let claimed): (size, stripe) = (claimed, out.manifestThreshold)
    case .alone(let node):
      size = download[node]?.source.file.size ?? 0
      stripe = size
    case .part:
      size = query.key.chunkOf?.range.count ?? 0
      stripe = ruledOut.sizes.contains(size) ? size : out.manifestThreshold
    }
    let plan = DownloadPlan(hash: hash, size: size, stripe: stripe)
    table.change(id) { $0.prepare(plan, &out) }
  }

  /// Removes an attempt and releases what it holds.
  ///
  /// - Returns: the sources that served it, in order.
  private mutating func remove(_ id: DownloadID, _ out: inout TransferOutbox) -> [SourceState] {
    let sources = (table[id]?.nodes ?? []).compactMap { table.take($0, &out) }
    guard let download = table.remove(id) else { return sources }
    if let manifest = download.awaitedManifest { out.requests.append(.leaveManifest(manifest, id)) }
    out.retrievalOfDownload[id] = nil
    out.emit(.download(.discard(id)))
    return sources
  }

  /// Replaces an attempt with another one with the same claim, so that results for the old one are not mistaken for new
  /// ones.
  mutating func replace(_ id: DownloadID, isRetry: Bool, _ out: inout TransferOutbox) -> DownloadID? {
    guard let claim = table[id]?.claim else { return nil }
    let sources = remove(id, &out)
    let next = newDownload(claim, isRetry: isRetry, &out)
    for source in sources { table.add(source, to: next) }
    return next
  }

  /// The store's answer about the manifest; nil if it is not stored.
  mutating func manifestRead(
    _ id: DownloadID, _ found: Manifest?, isCircle: Bool, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard case .readingManifest? = table[id]?.phase, let manifest = table[id]?.manifest else { return }
    guard let found else {
      // Files that name each other as manifests would wait for each other.
      guard !isCircle else { return giveUpManifest(id, &out, at: now) }
      table.change(id) { $0.awaitManifest(isLate: false, at: now) }
      return out.requests.append(.fetchManifest(manifest, for: id))
    }
    guard let plan = DownloadPlan(hash: hash, manifest: found, named: manifest) else {
      return rejectManifest(id, &out, at: now)
    }
    table.change(id) { $0.prepare(plan, &out) }
    for node in table[id]?.nodes ?? [] { _ = takeIfFit(node, &out, at: now) }
  }

  /// The fetched manifest is in the store.
  mutating func manifestArrived(_ id: DownloadID, _ out: inout TransferOutbox) {
    guard let manifest = table[id]?.awaitedManifest else { return }
    losses.allowSearch()
    table.change(id) { $0.readManifest(manifest, &out) }
  }

  /// The manifest is not available: without it the file can still be fetched and verified as a whole.
  mutating func giveUpManifest(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let manifest = table[id]?.manifest else { return }
    for var source in remove(id, &out) {
      source.unusable.insert(manifest)
      assign(source, &out, at: now)
    }
  }

  /// The manifest takes long: sources that do not offer it are used without it, concurrently.
  mutating func goOnWithoutManifest(
    _ id: DownloadID, offeredBy offering: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard let manifest = table[id]?.awaitedManifest else { return }
    table.change(id) { $0.awaitManifest(isLate: true, at: now) }
    for node in table[id]?.nodes ?? [] where !offering.contains(node) && table.source(node)?.source.file.isWhole == true
    {
      reassign(node, &out, at: now) { $0.unusable.insert(manifest) }
    }
    if table[id]?.nodes.isEmpty == true { _ = remove(id, &out) }
  }

  /// The store is ready to receive the file; these pieces are stored already, verified.
  mutating func prepared(_ id: DownloadID, verified: PieceSet, _ out: inout TransferOutbox, at now: Instant) {
    table.change(id) { $0.prepared(verified: verified, &out, at: now) }
  }

  /// A local failure: no room for the file, or similar. The claim may be wrong, so this ends only the attempt.
  mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, _ out: inout TransferOutbox, at now: Instant) {
    guard let download = table[id] else { return }
    if case .readingManifest = download.phase, error.code == .badManifest { return rejectManifest(id, &out, at: now) }
    storageError = error
    let hadRivals = table.hasActive(besides: id)
    guard let next = replace(id, isRetry: download.isRetry, &out) else { return }
    table.change(next) { $0.postpone(mayRetry: hadRivals && !download.isRetry) }
  }

  /// The whole file was checked: it was admitted, or does not have its hash.
  mutating func completed(
    _ id: DownloadID, _ outcome: CompletionOutcome, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard case .completing(let plan, let providers)? = table[id]?.phase else { return }
    switch outcome {
    case .admitted:
      penalizeContradictors(of: plan, &out, at: now)
      let node = table[id]?.nodes.first ?? table.nodes.first
      out.requests.append(.end(hash, .loaded(size: plan.size, from: node)))
    case .failed(let error) where error.code == .hashMismatch && plan.manifest != nil:
      rejectManifest(id, &out, at: now)
    case .failed(let error) where error.code == .hashMismatch: penalizeProviders(id, plan, providers, &out, at: now)
    case .failed(let error): storageFailed(id, error, &out, at: now)
    }
  }

  // MARK: Attribution

  /// A node sent bytes that do not have their piece's hash.
  ///
  /// If the hash is from a manifest that the node itself or the client named, or is the file's own, the node
  /// misbehaves. If another node named the manifest, either of the two is wrong, and only the whole file will show
  /// which. If another node sent the beginning of the piece, the whole piece is fetched again from one node.
  mutating func mismatched(
    _ id: DownloadID, _ fetch: Fetching.Fetch, _ out: inout TransferOutbox, at now: Instant
  ) {
    let node = fetch.node
    guard table.id(of: node) == id, let source = table.source(node), let download = table[id] else { return }
    guard table.change(id, { $0.discard(fetch, &out) }) == true else {
      table.change(id) { $0.schedule(preferring: node, &out, at: now) }
      return
    }
    let piece = download.plan?.pieces[fetch.piece].hash ?? hash
    if let manifest = download.manifest, manifest != query.key.manifest, source.source.file.manifest != manifest {
      reassign(node, &out, at: now) {
        $0.contradiction = (manifest, piece)
        $0.unusable.insert(manifest)
      }
    } else {
      penalize(node, for: piece, &out, at: now)
      searchIfSourceless(&out)
    }
    table.change(id) { $0.schedule(&out, at: now) }
  }

  /// The manifest is not this file's. Nodes that named it misbehave; the others are asked without it.
  ///
  /// If the client named it, the client is wrong, and the retrieval ends.
  private mutating func rejectManifest(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let manifest = table[id]?.manifest else { return }
    guard manifest != query.key.manifest else {
      return out.requests.append(.end(hash, .failed(.falseManifest(manifest))))
    }
    ruledOut.manifests.insert(manifest)
    for source in remove(id, &out) {
      if !source.source.file.isWhole {
        // It may have been misled itself. With a wrong manifest it has nothing useful.
        out.bans.note(source.node, hash, at: now)
      } else if source.source.file.manifest == manifest {
        penalize(source.node, for: manifest, &out, at: now)
      } else {
        assign(source, &out, at: now)
      }
    }
  }

  /// The pieces had no hashes of their own, and together they are not the file. If one node sent them all, it
  /// misbehaves; if several did, each is tried alone.
  private mutating func penalizeProviders(
    _ id: DownloadID, _ plan: DownloadPlan, _ providers: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant
  ) {
    let offender = providers.count == 1 ? providers.first : nil
    let sources = remove(id, &out)
    if let offender { penalize(offender, for: hash, &out, at: now) } else { ruledOut.sizes.insert(plan.size) }
    for source in sources where source.node != offender { assign(source, &out, at: now) }
  }

  /// The whole file has arrived, so nodes that claimed another size, and those whose bytes contradicted its manifest,
  /// were wrong.
  private mutating func penalizeContradictors(of plan: DownloadPlan, _ out: inout TransferOutbox, at now: Instant) {
    for source in table.nodes.compactMap({ table.source($0) }) {
      if let contradiction = source.contradiction, contradiction.manifest == plan.manifest {
        penalize(source.node, for: contradiction.piece, &out, at: now)
      } else if source.source.hash == hash, source.source.file.size != plan.size {
        penalize(source.node, for: hash, &out, at: now)
      }
    }
  }
}

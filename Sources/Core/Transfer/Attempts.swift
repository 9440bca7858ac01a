import Primitives
import Wire

/// Who has a file that is wanted, and the attempts at it.
///
/// What a node says of a file is a claim. Nodes that agree serve one attempt together; for each claim that contradicts
/// the others there is an attempt of its own, and they run concurrently. The first whose bytes have the file's hash wins.
struct Attempts: Sendable {
  /// Attempts that run at the same time. Each costs a file and, while its sources give, their windows; nodes that name a
  /// different claim each must not keep an honest one waiting.
  static let maximumRunning = 32

  let query: FileQuery
  /// Whether the file is only wanted as the manifest of another. A manifest has no manifest, and is not large.
  let isManifest: Bool
  private(set) var table = AttemptTable()
  private(set) var ruledOut = RuledOut()
  private(set) var losses = SourceLosses()
  /// Why an attempt could not be written here.
  private(set) var storageError: KacheryError?

  init(_ query: FileQuery, isManifest: Bool) {
    self.query = query
    self.isManifest = isManifest
  }

  private var hash: ContentHash { query.key.hash }

  /// Changes an attempt in place; does nothing, and returns nil, if it is gone.
  @discardableResult
  mutating func change<Value>(_ id: DownloadID, _ body: (inout Download) -> Value) -> Value? { table.change(id, body) }

  // MARK: Searching

  /// Everybody is asked for the file.
  mutating func beginSearch(at now: Instant) { losses.beginSearch(at: now) }

  /// Everybody who was asked has answered, or nothing more is waited for.
  mutating func endSearch(asked: Int) { losses.endSearch(asked: asked) }

  /// Asking who has the file would only bring back a source that was given up.
  mutating func skipSearch() { losses.skipSearch(with: table.loadedBytes) }

  /// A node that gave wrong bytes for this file not long ago says that it has it.
  mutating func refuse(_ node: NodeID) { ruledOut.nodes.append(node) }

  /// Asks everybody again if no source has all of the file, and something has come since they were last asked.
  private mutating func searchIfSourceless(_ out: inout TransferOutbox) {
    guard !table.hasWholeSource, losses.shouldSearch(with: table.loadedBytes) else { return }
    out.requests.append(.search(hash))
  }

  // MARK: Sources

  /// A node has the file: the first one sets an attempt going, a later one helps, or begins another.
  mutating func add(_ source: Source, _ out: inout TransferOutbox, at now: Instant) {
    let node = source.node
    guard !ruledOut.nodes.contains(node), query.isServed(by: source, isManifest: isManifest) else { return }
    // There is no such file, and nothing is its own manifest.
    let isItsOwnManifest = source.file.isWhole && source.file.manifest == source.hash
    guard source.file.size <= Limits.maximumFileSize, !isItsOwnManifest else {
      return penalize(node, for: hash, &out, at: now)
    }
    let known = table.source(node)
    // The file itself is worth more than a larger one that holds it, and news of one that was still arriving than silence.
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

  /// Finds the attempt to which the source gives, or begins one; a source that is of no use to any is let go.
  private mutating func assign(_ source: SourceState, _ out: inout TransferOutbox, at now: Instant) {
    guard let (claim, known) = claim(of: source, out.manifestThreshold) else { return }
    join(known ?? newDownload(claim, &out), source, &out, at: now)
  }

  /// The claim that the source supports, and the attempt at it if there is one; nil if it is of no use to any.
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

  /// Whether the source agrees with the plan of the attempt that it gives to; if not, another one is found for it. A node that
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

  /// Takes a source off the retrieval, and has everybody asked again if it was the last one that has all of the file and
  /// something has come since they were asked.
  mutating func drop(_ node: NodeID, mayReturn: Bool = false, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = table.id(of: node) else { return }
    _ = table.take(node, &out)
    losses.add(node, mayReturn: mayReturn)
    searchIfSourceless(&out)
    table.change(id) { $0.schedule(&out, at: now) }
  }

  /// A node that was loading the file itself no longer gives it.
  mutating func dropIfPartial(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    if table.source(node)?.source.file.isWhole == false { drop(node, &out, at: now) }
  }

  /// The source does not give the file, or no longer.
  mutating func lose(_ node: NodeID, _ loss: FileHistory.Loss, _ out: inout TransferOutbox, at now: Instant) {
    out.history.update(hash) { $0.noteLoss(node, loss) }
    if let id = table.id(of: node) { out.emit(.download(.abandon(id, node))) }
    drop(node, mayReturn: loss == .disconnected, &out, at: now)
  }

  /// The node is not believed about this file again for a while.
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

  /// Begins an attempt unless as many run as may.
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

  /// Forgets an attempt and lets go of what it holds.
  ///
  /// - Returns: the sources that gave to it, in order.
  private mutating func remove(_ id: DownloadID, _ out: inout TransferOutbox) -> [SourceState] {
    let sources = (table[id]?.nodes ?? []).compactMap { table.take($0, &out) }
    guard let download = table.remove(id) else { return sources }
    if let manifest = download.awaitedManifest { out.requests.append(.leaveManifest(manifest, id)) }
    out.retrievalOfDownload[id] = nil
    out.emit(.download(.discard(id)))
    return sources
  }

  /// Puts another attempt with the same claim in the place of one, so that nothing that is still under way for the old one is
  /// taken for it.
  mutating func replace(_ id: DownloadID, isRetry: Bool, _ out: inout TransferOutbox) -> DownloadID? {
    guard let claim = table[id]?.claim else { return nil }
    let sources = remove(id, &out)
    let next = newDownload(claim, isRetry: isRetry, &out)
    for source in sources { table.add(source, to: next) }
    return next
  }

  /// The manifest was looked for in the store: it is here, or (nil) not.
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

  /// The manifest that was fetched is in the store.
  mutating func manifestArrived(_ id: DownloadID, _ out: inout TransferOutbox) {
    guard let manifest = table[id]?.awaitedManifest else { return }
    losses.allowSearch()
    table.change(id) { $0.readManifest(manifest, &out) }
  }

  /// The manifest is not to be had: without it the file can still be fetched and verified as a whole.
  mutating func giveUpManifest(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let manifest = table[id]?.manifest else { return }
    for var source in remove(id, &out) {
      source.unusable.insert(manifest)
      assign(source, &out, at: now)
    }
  }

  /// The manifest takes long: sources that do not offer it are used without it meanwhile, concurrently.
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

  /// The store is ready to receive the file; these pieces of it are here already, verified.
  mutating func prepared(_ id: DownloadID, verified: PieceSet, _ out: inout TransferOutbox, at now: Instant) {
    table.change(id) { $0.prepared(verified: verified, &out, at: now) }
  }

  /// Something of this node's own failed: there is no room for the file, or the like. What is claimed may be wrong, so
  /// that ends the attempt only.
  mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, _ out: inout TransferOutbox, at now: Instant) {
    guard let download = table[id] else { return }
    if case .readingManifest = download.phase, error.code == .badManifest { return rejectManifest(id, &out, at: now) }
    storageError = error
    let hadRivals = table.hasActive(besides: id)
    guard let next = replace(id, isRetry: download.isRetry, &out) else { return }
    table.change(next) { $0.postpone(mayRetry: hadRivals && !download.isRetry) }
  }

  /// The whole file was checked: it has been admitted, or it has not the hash that it should have.
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

  // MARK: Who is to blame

  /// A node gave bytes that do not have their piece's hash.
  ///
  /// If the hash comes from a manifest that the node itself has named, or that the client gave, or is the file's own, the
  /// node misbehaves. If another node named the manifest, either of the two is wrong, and only the whole file will show
  /// which. If another node gave the beginning of the piece, all of it is fetched again from one.
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
        // It may have been told the same lie. With a manifest that is wrong it has nothing of use.
        out.bans.note(source.node, hash, at: now)
      } else if source.source.file.manifest == manifest {
        penalize(source.node, for: manifest, &out, at: now)
      } else {
        assign(source, &out, at: now)
      }
    }
  }

  /// The pieces had no hashes of their own, and together they are not the file. If one node gave them all, it misbehaves;
  /// if several did, each is tried by itself.
  private mutating func penalizeProviders(
    _ id: DownloadID, _ plan: DownloadPlan, _ providers: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant
  ) {
    let offender = providers.count == 1 ? providers.first : nil
    let sources = remove(id, &out)
    if let offender { penalize(offender, for: hash, &out, at: now) } else { ruledOut.sizes.insert(plan.size) }
    for source in sources where source.node != offender { assign(source, &out, at: now) }
  }

  /// The whole file is here, so nodes that said another size, and those whose bytes contradicted its manifest, were wrong.
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

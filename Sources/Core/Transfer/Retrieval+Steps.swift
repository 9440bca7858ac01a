import Primitives

/// The steps of an attempt, from a claim to the whole file.
extension Retrieval {
  mutating func start(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let claim = downloads[id]?.claim else { return }
    let running = downloads.keys.count { other in
      if case .waiting? = downloads[other]?.phase { false } else { isActive(other) }
    }
    guard running < Self.maximumDownloads else { return }
    switch claim {
    case .manifest(let manifest):
      downloads[id]?.phase = .readingManifest
      out.emit(.download(.readManifest(id, of: hash, named: manifest)))
    case .size(let size): prepare(id, size, stripe: out.manifestThreshold, &out)
    case .alone(let node):
      let size = sources[node]?.source.file.size ?? 0
      prepare(id, size, stripe: size, &out)
    case .part:
      let size = query.key.chunkOf?.range.count ?? 0
      prepare(id, size, stripe: ruledOut.sizes.contains(size) ? size : out.manifestThreshold, &out)
    }
  }

  private mutating func prepare(_ id: DownloadID, _ size: UInt64, stripe: UInt64, _ out: inout TransferOutbox) {
    prepare(id, DownloadPlan(hash: hash, size: size, stripe: stripe), &out)
  }

  private mutating func prepare(_ id: DownloadID, _ plan: DownloadPlan, _ out: inout TransferOutbox) {
    downloads[id]?.phase = .preparing(plan)
    out.emit(.download(.prepare(id, plan)))
  }

  /// Restarts an attempt under another ID, so that results for the old one are not mistaken for new ones.
  mutating func restart(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let download = downloads[id] else { return }
    let nodes = sources(of: id).map(\.node)
    remove(id, &out)
    let next = DownloadID(number: out.newNumber())
    downloads[next] = Download(download.claim)
    downloads[next]?.isRetry = true
    out.retrievalOfDownload[next] = hash
    for node in nodes { sources[node]?.download = next }
    start(next, &out, at: now)
  }

  /// Removes an attempt and releases what it holds. Its sources stay, unassigned.
  mutating func remove(_ id: DownloadID, _ out: inout TransferOutbox) {
    for source in sources(of: id) { leaveDownload(source.node, &out) }
    guard let download = downloads.removeValue(forKey: id) else { return }
    if download.isFetchingManifest, let manifest = download.manifest {
      out.requests.append(.leaveManifest(manifest, id))
    }
    out.retrievalOfDownload[id] = nil
    out.emit(.download(.discard(id)))
  }

  // MARK: The manifest

  /// The store's answer about the manifest; nil if it is not stored.
  mutating func manifestRead(
    _ id: DownloadID, _ found: Manifest?, isCircle: Bool, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard case .readingManifest? = downloads[id]?.phase, let manifest = downloads[id]?.manifest else { return }
    guard let found else {
      // Files that name each other as manifests would wait for each other.
      guard !isCircle else { return giveUpManifest(id, &out, at: now) }
      downloads[id]?.phase = .fetchingManifest(patientUntil: now + Self.manifestPatience, isLate: false)
      return out.requests.append(.fetchManifest(manifest, for: id))
    }
    guard let plan = DownloadPlan(hash: hash, manifest: found, named: manifest) else {
      return rejectManifest(id, &out, at: now)
    }
    prepare(id, plan, &out)
    for source in sources(of: id) { _ = takeIfFit(source.node, &out, at: now) }
  }

  /// The fetched manifest is in the store.
  mutating func manifestArrived(_ id: DownloadID, _ out: inout TransferOutbox) {
    guard downloads[id]?.isFetchingManifest == true, let manifest = downloads[id]?.manifest else { return }
    downloads[id]?.phase = .readingManifest
    losses.searchedWith = nil
    out.emit(.download(.readManifest(id, of: hash, named: manifest)))
  }

  /// The manifest is not available: without it the file can still be fetched and verified as a whole.
  mutating func giveUpManifest(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let manifest = downloads[id]?.manifest else { return }
    let nodes = sources(of: id).map(\.node)
    remove(id, &out)
    for node in nodes {
      sources[node]?.unusable.insert(manifest)
      assign(node, &out, at: now)
    }
  }

  /// The manifest takes long: sources that do not offer it are used without it, concurrently.
  mutating func goOnWithoutManifest(
    _ id: DownloadID, offeredBy offering: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard downloads[id]?.isFetchingManifest == true, let manifest = downloads[id]?.manifest else { return }
    downloads[id]?.phase = .fetchingManifest(patientUntil: now + Self.manifestPatience, isLate: true)
    for source in sources(of: id) where !offering.contains(source.node) && source.source.file.isWhole {
      sources[source.node]?.unusable.insert(manifest)
      assign(source.node, &out, at: now)
    }
    if sources(of: id).isEmpty { remove(id, &out) }
  }

  // MARK: The file

  /// The store is ready to receive the file; these pieces are stored already, verified.
  mutating func prepared(_ id: DownloadID, verified: PieceSet, _ out: inout TransferOutbox, at now: Instant) {
    guard case .preparing(let plan)? = downloads[id]?.phase else { return }
    downloads[id]?.phase = .fetching(Fetching(plan, verified: verified))
    schedule(id, &out, at: now)
    completeIfWhole(id, &out)
  }

  /// A local failure: no room for the file, or similar. The claim may be wrong, so this ends only the attempt.
  mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, _ out: inout TransferOutbox, at now: Instant) {
    guard let download = downloads[id] else { return }
    if case .readingManifest = download.phase, error.code == .badManifest {
      return rejectManifest(id, &out, at: now)
    }
    storageError = error
    let nodes = sources(of: id).map(\.node)
    let hadRivals = downloads.keys.contains { $0 != id && isActive($0) }
    remove(id, &out)
    let next = DownloadID(number: out.newNumber())
    downloads[next] = Download(download.claim)
    downloads[next]?.phase = .postponed(mayRetry: hadRivals && !download.isRetry)
    out.retrievalOfDownload[next] = hash
    for node in nodes { sources[node]?.download = next }
  }

  mutating func completeIfWhole(_ id: DownloadID, _ out: inout TransferOutbox) {
    guard let fetching = downloads[id]?.fetching, fetching.isComplete else { return }
    downloads[id]?.phase = .completing(fetching.plan, providers: fetching.providers)
    out.emit(.download(.complete(id)))
  }

  /// The whole file was checked: it was admitted, or does not have its hash.
  mutating func completed(
    _ id: DownloadID, _ outcome: CompletionOutcome, _ out: inout TransferOutbox, at now: Instant
  ) {
    guard case .completing(let plan, let providers)? = downloads[id]?.phase else { return }
    switch outcome {
    case .admitted:
      penalizeContradictors(of: plan, &out, at: now)
      let node = sources(of: id).first?.node ?? sources.keys.min()
      out.requests.append(.end(hash, .loaded(size: plan.size, from: node)))
    case .failed(let error) where error.code == .hashMismatch && plan.manifest != nil:
      rejectManifest(id, &out, at: now)
    case .failed(let error) where error.code == .hashMismatch: penalizeProviders(id, plan, providers, &out, at: now)
    case .failed(let error): storageFailed(id, error, &out, at: now)
    }
  }
}

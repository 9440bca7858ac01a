import Primitives

/// Which source serves which attempt.
extension Retrieval {
  /// A node has the file: the first one sets an attempt going, a later one helps, or begins another.
  mutating func add(_ source: Source, _ out: inout TransferOutbox, at now: Instant) {
    let node = source.node
    guard !ruledOut.nodes.contains(node), isUseful(source) else { return }
    // There is no such file, and nothing is its own manifest.
    let isItsOwnManifest = source.file.isWhole && source.file.manifest == source.hash
    guard source.file.size <= Limits.maximumFileSize, !isItsOwnManifest else {
      return penalize(node, for: hash, &out, at: now)
    }
    // The file itself is worth more than a larger one that holds it, and news of one that was still arriving than silence.
    if let known = sources[node]?.source, known.hash == hash {
      guard !known.file.isWhole, source.hash == known.hash else { return }
    }
    guard source.file.isWhole || hasRoomForPartialSource(node) else { return }
    if sources[node] == nil { sources[node] = SourceState(source) }
    sources[node]?.source = source
    sources[node]?.isExhausted = false
    assign(node, &out, at: now)
  }

  /// Whether the source can have what is wanted, by its own words.
  private func isUseful(_ source: Source) -> Bool {
    if let part = query.key.chunkOf?.range {
      return source.hash == hash ? source.file.size == part.count : source.file.size >= part.end
    }
    return source.hash == hash && (!isManifest || source.file.size <= Limits.maximumManifestSize)
  }

  /// Finds the attempt to which the source gives, or begins one.
  mutating func assign(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard let source = sources[node] else { return }
    leaveDownload(node, &out)
    guard let claim = claim(of: source, out.manifestThreshold) else {
      sources[node] = nil
      return
    }
    if let known = downloadsInOrder.first(where: { downloads[$0]?.claim == claim }) {
      join(known, node, &out, at: now)
    } else {
      let id = DownloadID(number: out.newNumber())
      downloads[id] = Download(claim)
      out.retrievalOfDownload[id] = hash
      sources[node]?.download = id
      start(id, &out, at: now)
    }
  }

  private mutating func join(_ id: DownloadID, _ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    sources[node]?.download = id
    switch downloads[id]?.phase {
    case .waiting?: start(id, &out, at: now)
    case .preparing?, .completing?: _ = takeIfFit(node, &out, at: now)
    case .fetching?: if takeIfFit(node, &out, at: now) { schedule(id, &out, at: now) }
    case .readingManifest?, .fetchingManifest?, .postponed?, nil: break
    }
  }

  /// Whether the source agrees with the plan of the attempt that it gives to; if not, another one is found for it. A node that
  /// contradicts the manifest that it names itself misbehaves in any case.
  mutating func takeIfFit(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) -> Bool {
    guard let source = sources[node]?.source, let id = sources[node]?.download, let plan = downloads[id]?.plan,
      let manifest = plan.manifest
    else { return true }
    if let chunks = source.file.chunks {
      if source.file.size == plan.size, chunks.fits(plan.pieces.count) { return true }
      leaveDownload(node, &out)
      sources[node] = nil
      return false
    }
    guard source.file.size != plan.size else { return true }
    if manifest != query.key.manifest, source.file.manifest == manifest {
      penalize(node, for: hash, &out, at: now)
    } else {
      sources[node]?.unusable.insert(manifest)
      assign(node, &out, at: now)
    }
    return false
  }

  /// The claim that the source supports; nil if it is of no use to any attempt.
  private func claim(of source: SourceState, _ threshold: UInt64) -> Claim? {
    guard query.key.chunkOf == nil else { return .part }
    let file = source.source.file
    if let manifest = usableManifest(of: source, threshold) {
      // Two attempts at one file of this size would fetch it twice; what is under way goes on.
      let hasOwn = downloads.values.contains { $0.claim == .manifest(manifest) }
      let runs = downloads.values.contains { $0.claim == .size(file.size) && $0.fetching != nil }
      return !hasOwn && runs && file.isWhole ? .size(file.size) : .manifest(manifest)
    }
    guard file.isWhole else { return nil }
    if file.size > threshold, let manifest = manifestOfOthers(for: source) { return .manifest(manifest) }
    return ruledOut.sizes.contains(file.size) ? .alone(source.node) : .size(file.size)
  }

  /// The manifest that the client or else the source names, if it may be this file's.
  private func usableManifest(of source: SourceState, _ threshold: UInt64) -> ContentHash? {
    let file = source.source.file
    guard !isManifest, file.size > threshold || !file.isWhole, let manifest = query.key.manifest ?? file.manifest,
      manifest != hash, isUsable(manifest, by: source), file.isWhole || file.manifest == manifest
    else { return nil }
    return manifest
  }

  private func isUsable(_ manifest: ContentHash, by source: SourceState) -> Bool {
    !ruledOut.manifests.contains(manifest) && !source.unusable.contains(manifest)
  }

  /// A manifest that other nodes have named, for a file of the size that this source says. A source tries one of them at
  /// most: many may be wrong.
  private func manifestOfOthers(for source: SourceState) -> ContentHash? {
    guard !isManifest, source.unusable.isEmpty else { return nil }
    for id in downloadsInOrder {
      guard let download = downloads[id], let manifest = download.manifest, isUsable(manifest, by: source),
        sources(of: id).contains(where: { $0.source.file.manifest == manifest })
      else { continue }
      switch download.phase {
      case .postponed, .fetchingManifest(_, isLate: true): continue
      default: break
      }
      let agrees =
        download.plan.map { $0.size == source.source.file.size }
        ?? sources(of: id).contains { $0.source.file.size == source.source.file.size }
      if agrees { return manifest }
    }
    return nil
  }

  // MARK: Leaving

  /// Takes the source off its attempt; what it was to give is asked of the others.
  mutating func leaveDownload(_ node: NodeID, _ out: inout TransferOutbox) {
    guard let id = sources[node]?.download else { return }
    sources[node]?.download = nil
    if (downloads[id]?.fetching?.outstanding(from: node) ?? 0) > 0 {
      out.emit(.download(.abandon(id, node)))
      giveBack(piecesOf: node, to: id, &out)
    }
    sources[node]?.heardAt = nil
  }

  /// Takes a source off the retrieval, and has everybody asked again if it was the last one that has all of the file and
  /// something has come since they were asked.
  mutating func drop(_ node: NodeID, mayReturn: Bool = false, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = sources[node]?.download else { return }
    leaveDownload(node, &out)
    sources[node] = nil
    losses.last = node
    losses.mayReturn = mayReturn
    searchIfSourceless(&out)
    schedule(id, &out, at: now)
  }

  /// Asks everybody again if no source has all of the file, and something has come since they were last asked.
  mutating func searchIfSourceless(_ out: inout TransferOutbox) {
    guard !hasWholeSource, losses.searchedWith.map({ loadedBytes > $0 }) ?? true else { return }
    losses.searchedWith = loadedBytes
    out.requests.append(.search(hash))
  }

  /// The node is not believed about this file again for a while.
  mutating func penalize(_ node: NodeID, for bytes: ContentHash, _ out: inout TransferOutbox, at now: Instant) {
    leaveDownload(node, &out)
    sources[node] = nil
    out.bans.note(node, hash, at: now)
    out.history.update(hash) { $0.noteLoss(node, .misbehaved) }
    ruledOut.nodes.append(node)
    out.emit(.misbehaved(node, bytes))
  }
}

import Primitives

/// Which source serves which attempt.
extension Retrieval {
  /// A node has the file: it starts an attempt, or joins one with the same claim.
  mutating func add(_ source: Source, _ out: inout TransferOutbox, at now: Instant) {
    let node = source.node
    guard !ruledOut.nodes.contains(node), isUseful(source) else { return }
    // No such file exists, and no file is its own manifest.
    let isItsOwnManifest = source.file.isWhole && source.file.manifest == source.hash
    guard source.file.size <= Limits.maximumFileSize, !isItsOwnManifest else {
      return penalize(node, for: hash, &out, at: now)
    }
    // The file itself is better than a larger one that contains it, and news of a partial source replaces older news.
    if let known = sources[node]?.source, known.hash == hash {
      guard !known.file.isWhole, source.hash == known.hash else { return }
    }
    guard source.file.isWhole || hasRoomForPartialSource(node) else { return }
    if sources[node] == nil { sources[node] = SourceState(source) }
    sources[node]?.source = source
    sources[node]?.isExhausted = false
    assign(node, &out, at: now)
  }

  /// Whether the source can have the wanted file, according to its own claim.
  private func isUseful(_ source: Source) -> Bool {
    if let part = query.key.chunkOf?.range {
      return source.hash == hash ? source.file.size == part.count : source.file.size >= part.end
    }
    return source.hash == hash && (!isManifest || source.file.size <= Limits.maximumManifestSize)
  }

  /// Finds the attempt that the source serves, or begins one.
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

  /// Returns whether the source agrees with the plan of its attempt; if not, assigns it to another one. A node that
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

  /// The claim that the source supports; nil if it is useless for every attempt.
  private func claim(of source: SourceState, _ threshold: UInt64) -> Claim? {
    guard query.key.chunkOf == nil else { return .part }
    let file = source.source.file
    if let manifest = usableManifest(of: source, threshold) {
      // Two attempts at one file of this size would fetch it twice; the running one continues.
      let hasOwn = downloads.values.contains { $0.claim == .manifest(manifest) }
      let runs = downloads.values.contains { $0.claim == .size(file.size) && $0.fetching != nil }
      return !hasOwn && runs && file.isWhole ? .size(file.size) : .manifest(manifest)
    }
    guard file.isWhole else { return nil }
    if file.size > threshold, let manifest = manifestOfOthers(for: source) { return .manifest(manifest) }
    return ruledOut.sizes.contains(file.size) ? .alone(source.node) : .size(file.size)
  }

  /// The manifest named by the client, or otherwise by the source, if it may be this file's.
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

  /// A manifest that other nodes have named for a file of the size that this source claims. A source tries at most one
  /// of them: many may be wrong.
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

  /// Removes the source from its attempt; its pieces are requested from the others.
  mutating func leaveDownload(_ node: NodeID, _ out: inout TransferOutbox) {
    guard let id = sources[node]?.download else { return }
    sources[node]?.download = nil
    if (downloads[id]?.fetching?.outstanding(from: node) ?? 0) > 0 {
      out.emit(.download(.abandon(id, node)))
      giveBack(piecesOf: node, to: id, &out)
    }
    sources[node]?.heardAt = nil
  }

  /// Removes a source from the retrieval, and starts a new search if it was the last one with the whole file and
  /// something has arrived since the last search.
  mutating func drop(_ node: NodeID, mayReturn: Bool = false, _ out: inout TransferOutbox, at now: Instant) {
    guard let id = sources[node]?.download else { return }
    leaveDownload(node, &out)
    sources[node] = nil
    losses.last = node
    losses.mayReturn = mayReturn
    searchIfSourceless(&out)
    schedule(id, &out, at: now)
  }

  /// Starts a new search if no source has the whole file, and something has arrived since the last search.
  mutating func searchIfSourceless(_ out: inout TransferOutbox) {
    guard !hasWholeSource, losses.searchedWith.map({ loadedBytes > $0 }) ?? true else { return }
    losses.searchedWith = loadedBytes
    out.requests.append(.search(hash))
  }

  /// Does not trust the node about this file for a while.
  mutating func penalize(_ node: NodeID, for bytes: ContentHash, _ out: inout TransferOutbox, at now: Instant) {
    leaveDownload(node, &out)
    sources[node] = nil
    out.bans.note(node, hash, at: now)
    out.history.update(hash) { $0.noteLoss(node, .misbehaved) }
    ruledOut.nodes.append(node)
    out.emit(.misbehaved(node, bytes))
  }
}

package import Primitives
import Wire

extension TransferEngine {
  /// A node has the file: the first one sets the download going, a later one helps.
  mutating func add(_ source: Source, to id: DownloadID, at now: Instant) {
    guard var download = downloads[id], !download.liars.contains(source.node), download.misfits[source.node] == nil
    else { return }
    guard download.matches(source) else {
      // What is there of a file by another manifest is of no use to any plan of this node's.
      guard source.file.isWhole else { return }
      setAside(source, in: id, at: now)
      _ = replan(id, at: now)
      return
    }
    // The file itself is worth more than a larger one that holds it, and news of one that was still arriving than silence.
    if let known = download.sources[source.node], known.hash == download.wish.key.hash {
      guard !known.file.isWhole, source.hash == known.hash else { return }
    }
    guard source.file.isWhole || download.hasRoomForPartialSource(source.node) else { return }
    download.sources[source.node] = source
    download.exhausted.remove(source.node)
    let isFirst = download.phase == .searching
    downloads[id] = download
    if isFirst {
      start(id)
    } else if download.phase == .fetching {
      schedule(id, at: now)
    }
  }

  mutating func start(_ id: DownloadID) {
    guard var download = downloads[id] else { return }
    let known =
      download.wish.key.manifest
      ?? download.sources.values.sorted(by: Source.isMoreTrusted).lazy.compactMap { source -> ContentHash? in
        guard source.hash == download.wish.key.hash, let manifest = source.file.manifest else { return nil }
        return download.rejectedManifests.contains(manifest) ? nil : manifest
      }.first
    // A part of a larger file is at most a chunk, and a small file is one piece anyhow.
    let size = download.sources.values.map(\.file.size).max() ?? 0
    download.manifest = download.wish.key.chunkOf == nil && size > manifestThreshold ? known : nil
    downloads[id] = download
    guard let manifest = download.manifest else { return prepareWithoutManifest(id) }
    downloads[id]?.phase = .readingManifest
    emit(.readManifest(id, of: download.wish.key.hash, named: manifest))
  }

  /// The manifest was looked for in the store: it is here, or (nil) not.
  package mutating func manifestRead(_ id: DownloadID, _ manifest: Manifest?, at now: Instant) {
    guard let download = downloads[id], let hash = download.manifest else { return }
    switch (download.phase, manifest) {
    case (.readingManifest, nil) where hash == download.wish.key.hash && download.isManifestTold:
      // Nothing is its own manifest: it would be waited for for ever.
      rejectToldManifest(id, at: now)
    case (.readingManifest, nil) where isWaitedFor(id, by: hash):
      // One of several says what is not so, and nobody knows which.
      downloads[id]?.phase = .searching
      prepareWithoutManifest(id)
    case (.readingManifest, nil):
      let key = FileKey(hash: hash)
      downloads[id]?.phase = .fetchingManifest(DownloadID(number: 0))
      let wish = Wish(key: key, node: download.wish.node, topic: download.wish.topic)
      let fetching = join(wish, .download(id), at: now)
      if downloads[id] != nil { downloads[id]?.phase = .fetchingManifest(fetching) }
    case (.readingManifest, let manifest?):
      guard let plan = DownloadPlan(hash: download.wish.key.hash, manifest: manifest, named: hash) else {
        return download.isManifestTold ? rejectToldManifest(id, at: now) : fail(id, .falseManifest(hash))
      }
      blameContradictors(id, size: plan.size, at: now)
      prepare(id, plan)
    default: break
    }
  }

  /// Whether the download of the file with this hash is this one, or waits for it: manifests may be named in a circle.
  private func isWaitedFor(_ id: DownloadID, by hash: ContentHash) -> Bool {
    var next = downloadOfHash[hash]
    while let download = next, download != id {
      guard case .fetchingManifest(let manifest)? = downloads[download]?.phase else { return false }
      next = manifest
    }
    return next == id
  }

  mutating func prepareWithoutManifest(_ id: DownloadID) {
    guard var download = downloads[id] else { return }
    // Without the manifest nobody knows which bytes its chunks are.
    download.sources = download.sources.filter { $0.value.file.isWhole || $0.value.hash != download.wish.key.hash }
    downloads[id] = download
    let size: UInt64
    if let chunk = download.wish.key.chunkOf {
      size = chunk.range.count
    } else if let source = download.sources.values.min(by: { $0.node < $1.node }) {
      size = source.file.size
    } else {
      return failIfSourceless(id, asked: 0)
    }
    downloads[id]?.manifest = nil
    let stripe = download.takesOneSource ? size : manifestThreshold
    prepare(id, DownloadPlan(hash: download.wish.key.hash, size: size, stripe: stripe))
  }

  private mutating func prepare(_ id: DownloadID, _ plan: DownloadPlan) {
    guard var download = downloads[id] else { return }
    download.plan = plan
    download.phase = .preparing
    download.unrequested = Array(plan.pieces.indices.reversed())
    let unfit = download.sources.values.filter { !download.matches($0) }
    for source in unfit {
      download.sources[source.node] = nil
      if source.file.isWhole { download.misfits[source.node] = source }
    }
    downloads[id] = download
    emit(.prepare(id, plan))
  }

  /// The store is ready to receive the file; these pieces of it are here already, verified.
  package mutating func prepared(_ id: DownloadID, verified: Set<Int> = [], at now: Instant) {
    guard var download = downloads[id], download.phase == .preparing, let plan = download.plan else { return }
    download.phase = .fetching
    download.unrequested.removeAll { verified.contains($0) }
    download.verifiedPieces = verified.count
    download.verifiedBytes = verified.reduce(0) { $0 + plan.pieces[$1].range.count }
    downloads[id] = download
    schedule(id, at: now)
    completeIfWhole(id)
    guard !replan(id, at: now) else { return }
    failIfSourceless(id, asked: 0)
  }

  /// Something of this node's own failed: the store could not be made ready, or the like.
  package mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, at now: Instant) {
    if error.code == .badManifest, let download = downloads[id], download.phase == .readingManifest,
      download.isManifestTold
    {
      return rejectToldManifest(id, at: now)
    }
    fail(id, .storage(error))
  }

  mutating func completeIfWhole(_ id: DownloadID) {
    guard let download = downloads[id], download.phase == .fetching, let plan = download.plan,
      download.verifiedPieces == plan.pieces.count
    else { return }
    downloads[id]?.phase = .completing
    emit(.complete(id))
  }

  /// The whole file was checked: it has been admitted, or it has not the hash that it should have.
  package mutating func completed(_ id: DownloadID, _ outcome: CompletionOutcome, at now: Instant) {
    guard let download = downloads[id], download.phase == .completing else { return }
    switch outcome {
    case .admitted:
      blameSuspects(id, at: now)
      succeed(id)
    case .failed(let error) where error.code == .hashMismatch && download.isManifestTold:
      rejectToldManifest(id, at: now)
    case .failed(let error) where error.code == .hashMismatch && download.manifest == nil: blameGivers(id, at: now)
    case .failed(let error) where error.code == .hashMismatch:
      fail(id, download.manifest.map { .falseManifest($0) } ?? .corruptSources(download.liars))
    case .failed(let error): fail(id, .storage(error))
    }
  }

  private mutating func succeed(_ id: DownloadID) {
    guard let download = downloads[id] else { return }
    let size = download.plan?.size ?? 0
    downloads[id]?.waiters = []
    for waiter in download.waiters {
      switch waiter {
      case .load(let load):
        downloadOfLoad[load] = nil
        emit(.progress(load, loaded: size, total: size, node: download.sources.keys.min()))
        emit(.loaded(load))
      case .download(let parent):
        guard let waiting = downloads[parent], let manifest = waiting.manifest else { continue }
        downloads[parent]?.phase = .readingManifest
        emit(.readManifest(parent, of: waiting.wish.key.hash, named: manifest))
      }
    }
    end(id)
  }
}

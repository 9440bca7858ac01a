import Primitives
import Wire

extension TransferEngine {
  /// A node gave bytes that do not have their piece's hash.
  ///
  /// Where the hash comes from a manifest that the node itself has named, or that the asker gave, or is the file's own,
  /// the node lies. Where another node named the manifest, either of the two lies, and only the whole file will tell.
  mutating func mismatched(_ id: DownloadID, _ node: NodeID, piece hash: ContentHash, at now: Instant) {
    guard let download = downloads[id], let source = download.sources[node] else { return }
    emit(.abandon(id, node))
    if download.isManifestTold, source.file.manifest != download.manifest {
      downloads[id]?.suspects[node] = hash
      downloads[id]?.misfits[node] = source
    } else {
      blame(node, for: hash, in: id, at: now)
    }
    drop(node, from: id, at: now)
  }

  /// Keeps a source that contradicts the plan for another plan; one that contradicts the manifest that it names itself
  /// lies in any case.
  mutating func setAside(_ source: Source, in id: DownloadID, at now: Instant) {
    guard let download = downloads[id] else { return }
    if download.isManifestTold, source.file.manifest == download.manifest {
      blame(source.node, for: download.wish.key.hash, in: id, at: now)
    } else {
      downloads[id]?.misfits[source.node] = source
    }
  }

  /// A node that says another size than the manifest that it names itself lies in any case.
  mutating func blameContradictors(_ id: DownloadID, size: UInt64, at now: Instant) {
    guard let download = downloads[id], download.isManifestTold else { return }
    for source in download.sources.values.sorted(by: { $0.node < $1.node })
    where source.file.manifest == download.manifest && source.file.size != size {
      downloads[id]?.sources[source.node] = nil
      blame(source.node, for: download.wish.key.hash, in: id, at: now)
    }
  }

  /// The node has lied about this file: it is not believed about it again for a while.
  private mutating func blame(_ node: NodeID, for hash: ContentHash, in id: DownloadID, at now: Instant) {
    guard let wanted = downloads[id]?.wish.key.hash else { return }
    distrust.note(node, wanted, at: now)
    history.update(wanted) { $0.noteLoss(node, .lied) }
    downloads[id]?.liars.append(node)
    emit(.lied(node, hash))
  }

  /// The whole file has its hash, so the manifest was true, and whoever gave pieces that contradict it lied.
  mutating func blameSuspects(_ id: DownloadID, at now: Instant) {
    for (node, hash) in (downloads[id]?.suspects ?? [:]).sorted(by: { $0.key < $1.key }) {
      blame(node, for: hash, in: id, at: now)
    }
  }

  /// The manifest that some node named is not this file's: whoever named it lied, and the others are asked anew.
  mutating func rejectToldManifest(_ id: DownloadID, at now: Instant) {
    guard let download = downloads[id], let manifest = download.manifest else { return }
    downloads[id]?.rejectedManifests.insert(manifest)
    for source in download.sources.values.sorted(by: { $0.node < $1.node }) {
      if !source.file.isWhole {
        // It may have been told the same lie. With a manifest that is wrong it has nothing of use.
        distrust.note(source.node, download.wish.key.hash, at: now)
      } else if source.file.manifest == manifest {
        blame(source.node, for: manifest, in: id, at: now)
      } else {
        downloads[id]?.misfits[source.node] = source
      }
    }
    downloads[id]?.suspects = [:]
    downloads[id]?.sources = [:]
    downloads[id]?.phase = .fetching
    replanOrFail(id, at: now)
  }

  /// The pieces had no hashes of their own, and together they are not the file. Where one node gave them all, it lied;
  /// where several did, each is tried by itself.
  mutating func blameGivers(_ id: DownloadID, at now: Instant) {
    guard let download = downloads[id] else { return }
    let givers = Set(download.givers.values)
    if givers.count == 1, let only = givers.first {
      downloads[id]?.sources[only] = nil
      blame(only, for: download.wish.key.hash, in: id, at: now)
    } else {
      downloads[id]?.takesOneSource = true
    }
    for (node, source) in downloads[id]?.sources ?? [:] { downloads[id]?.misfits[node] = source }
    downloads[id]?.sources = [:]
    downloads[id]?.phase = .fetching
    replanOrFail(id, at: now)
  }

  /// Begins again with the sources that contradict the plan, if the plan may be wrong; says whether it did.
  ///
  /// Every time it happens a node or a manifest has been ruled out, so it comes to an end.
  mutating func replan(_ id: DownloadID, at now: Instant) -> Bool {
    guard let download = downloads[id], download.phase == .fetching, download.sources.isEmpty,
      !download.misfits.isEmpty, download.manifest == nil || download.isManifestTold
    else { return false }
    start(beginAnew(id, download))
    return true
  }

  private mutating func beginAnew(_ id: DownloadID, _ download: Download) -> DownloadID {
    let next = DownloadID(number: newNumber())
    downloads[next] = download.begunAnew
    downloadOfHash[download.wish.key.hash] = next
    for waiter in download.waiters {
      switch waiter {
      case .load(let load): downloadOfLoad[load] = next
      case .download(let parent): downloads[parent]?.phase = .fetchingManifest(next)
      }
    }
    for question in searches.keys where searches[question]?.owner == .download(id) {
      searches[question]?.owner = .download(next)
    }
    downloads[id] = nil
    for fetch in download.fetches.keys { downloadOfFetch[fetch] = nil }
    emit(.discard(id))
    return next
  }

  private mutating func replanOrFail(_ id: DownloadID, at now: Instant) {
    guard !replan(id, at: now) else { return }
    // Whoever is found yet begins with a plan of its own.
    if isSearching(for: id), let download = downloads[id] {
      _ = beginAnew(id, download)
    } else {
      failIfSourceless(id, asked: 0)
    }
  }
}

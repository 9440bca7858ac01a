package import Primitives
package import Wire

extension TransferEngine {
  /// Bytes of a piece have arrived, `received` of it in all.
  package mutating func received(_ fetch: FetchID, _ received: UInt64, at now: Instant) {
    guard let id = downloadOfFetch[fetch], let node = downloads[id]?.fetches[fetch]?.node else { return }
    let before = downloads[id]?.fetches[fetch]?.received ?? 0
    downloads[id]?.fetches[fetch]?.received = received
    downloads[id]?.heardFrom[node] = now
    downloads[id]?.delays[node] = nil
    downloads[id]?.rates[node]?.add(received - min(before, received), at: now)
    tellProgress(id, node)
    guard let download = downloads[id], !download.unrequested.isEmpty, download.wantsMore(node, at: now) else { return }
    schedule(id, at: now)
  }

  /// The fetch of a piece has ended.
  package mutating func fetched(_ fetch: FetchID, _ outcome: FetchOutcome, at now: Instant) {
    guard let id = downloadOfFetch.removeValue(forKey: fetch), var download = downloads[id],
      let ended = download.fetches.removeValue(forKey: fetch), let plan = download.plan
    else { return }
    if case .verified = outcome {
      download.verifiedPieces += 1
      download.givers[ended.piece] = ended.node
      download.verifiedBytes += plan.pieces[ended.piece].range.count
      download.heardFrom[ended.node] = now
      download.delays[ended.node] = nil
      download.overtaken[ended.node] = nil
      history.update(download.wish.key.hash) { $0.noteGift(of: ended.node) }
      if download.outstanding(from: ended.node) == 0 { download.rates[ended.node]?.pause(at: now) }
      downloads[id] = download
      tellProgress(id, ended.node)
      schedule(id, at: now)
      return completeIfWhole(id)
    }
    download.unrequested.append(ended.piece)
    download.exhausted = []
    downloads[id] = download
    switch outcome {
    case .verified: break
    case .storageFailed(let error): fail(id, .storage(error))
    case .refused(.limitReached): waitForBusy(ended.node, in: id, at: now)
    case .hashMismatch: mismatched(id, ended.node, piece: plan.pieces[ended.piece].hash ?? plan.hash, at: now)
    case .refused, .disconnected:
      if case .refused(let refusal) = outcome {
        history.update(download.wish.key.hash) { $0.noteLoss(ended.node, .refused(refusal)) }
      } else {
        history.update(download.wish.key.hash) { $0.noteLoss(ended.node, .disconnected) }
      }
      emit(.abandon(id, ended.node))
      drop(ended.node, from: id, at: now)
    }
  }

  /// A source has stopped in the middle of a piece, and says why. The stream that ends with it would not tell.
  package mutating func aborted(_ hash: ContentHash, by node: NodeID, _ reason: Refusal, at now: Instant) {
    for (id, download) in downloadsInOrder
    where download.sources[node]?.hash == hash && download.outstanding(from: node) > 0 {
      guard reason != .limitReached else {
        waitForBusy(node, in: id, at: now)
        continue
      }
      history.update(download.wish.key.hash) { $0.noteLoss(node, .refused(reason)) }
      emit(.abandon(id, node))
      drop(node, from: id, at: now)
    }
  }

  /// Takes a source off a download; what it was to give is asked of the others.
  mutating func drop(_ node: NodeID, from id: DownloadID, at now: Instant) {
    guard downloads[id]?.sources.removeValue(forKey: node) != nil else { return }
    giveBack(piecesOf: node, to: id)
    downloads[id]?.heardFrom[node] = nil
    downloads[id]?.rates[node] = nil
    downloads[id]?.delays[node] = nil
    downloads[id]?.overtaken[node] = nil
    downloads[id]?.exhausted.remove(node)
    downloads[id]?.lastLost = node
    guard let download = downloads[id] else { return }
    guard !replan(id, at: now) else { return }
    if !download.hasWholeSource, !download.hasSearchedAgain, download.phase != .searching {
      downloads[id]?.hasSearchedAgain = true
      // A question from before the loss would end before the node can be back.
      searches = searches.filter { $0.value.owner != .download(id) }
      ask(.download(id), download.wish, for: Self.searchTime, at: now)
    }
    schedule(id, at: now)
    failIfSourceless(id, asked: 0)
  }

  /// Takes every source off its download that may no longer be asked: a membership was withdrawn, here or there.
  package mutating func withdraw(at now: Instant, where isWithdrawn: (NodeID, Topic) -> Bool) {
    for (id, download) in downloadsInOrder {
      downloads[id]?.misfits = download.misfits.filter { !isWithdrawn($0.key, $0.value.topic) }
      for source in download.sources.values.sorted(by: { $0.node < $1.node })
      where isWithdrawn(source.node, source.topic) {
        emit(.abandon(id, source.node))
        drop(source.node, from: id, at: now)
      }
    }
  }

  /// Ends a download that has no source and no prospect of one.
  mutating func failIfSourceless(_ id: DownloadID, asked: Int) {
    guard let download = downloads[id], download.sources.isEmpty, !isSearching(for: id) else { return }
    switch download.phase {
    case .completing: return
    case .readingManifest, .fetchingManifest, .preparing:
      // The step under way ends by itself, and then comes here again.
      return
    case .searching, .fetching: break
    }
    if !download.liars.isEmpty {
      fail(id, .corruptSources(download.liars))
    } else if let last = download.lastLost {
      fail(id, .lostSources(loaded: download.verifiedBytes, total: download.plan?.size ?? 0, last: last))
    } else {
      fail(id, .noSource(asked: asked))
    }
  }

  /// Ends a download that cannot succeed and tells everybody who waits for it.
  mutating func fail(_ id: DownloadID, _ failure: TransferFailure) {
    guard let download = downloads[id] else { return }
    downloads[id]?.waiters = []
    for waiter in download.waiters {
      switch waiter {
      case .load(let load):
        downloadOfLoad[load] = nil
        emit(.failed(load, failure, download.wish))
      case .download(let parent): manifestUnavailable(parent, failure)
      }
    }
    end(id)
  }

  /// Without its manifest a file can still be fetched as one piece and verified as a whole.
  private mutating func manifestUnavailable(_ id: DownloadID, _ failure: TransferFailure) {
    guard case .fetchingManifest = downloads[id]?.phase else { return }
    if case .storage = failure { return fail(id, failure) }
    downloads[id]?.phase = .searching
    prepareWithoutManifest(id)
  }

  private mutating func tellProgress(_ id: DownloadID, _ node: NodeID) {
    guard let download = downloads[id], let plan = download.plan else { return }
    let loaded = download.loadedBytes
    for case .load(let load) in download.waiters {
      emit(.progress(load, loaded: loaded, total: plan.size, node: node))
    }
  }
}

package import Primitives
package import Wire

extension TransferEngine {
  /// Puts the questions that can lead to a file: who has it, and who has the larger file that it is a part of.
  mutating func ask(_ owner: Search.Owner, _ wish: Wish, for duration: Duration, at now: Instant) {
    history.update(wish.key.hash) { $0.beginSearch() }
    if case .download(let id) = owner { downloads[id]?.searchedAt = now }
    ask(owner, wish, hash: wish.key.hash, offset: 0, for: duration, at: now)
    guard let chunk = wish.key.chunkOf else { return }
    ask(owner, wish, hash: chunk.parent, offset: chunk.range.start, for: duration, at: now)
  }

  private mutating func ask(
    _ owner: Search.Owner, _ wish: Wish, hash: ContentHash, offset: UInt64, for duration: Duration, at now: Instant
  ) {
    let question = Question(
      id: newQuestion(), hash: hash, node: wish.node, topic: wish.topic, wantsManifest: wish.wantsManifest)
    searches[question.id] = Search(
      owner: owner, wanted: wish.key.hash, question: question, offset: offset, deadline: now + duration,
      grace: now + min(duration, Self.peerGrace), isAfterLoss: isAfterLoss(owner))
    emit(.ask(question))
  }

  private func isAfterLoss(_ owner: Search.Owner) -> Bool {
    guard case .download(let id) = owner, let download = downloads[id], let lost = download.lastLost else {
      return false
    }
    return !download.liars.contains(lost)
  }

  /// The question has been put to these peers.
  package mutating func asked(_ question: UInt32, _ peers: [AskedPeer], at now: Instant) {
    guard var search = searches[question] else { return }
    for peer in peers where search.asked.insert(peer.node).inserted {
      search.pending[peer.node] = peer.topic
      history.update(search.wanted) { $0.noteAnswer(peer.node, .none) }
    }
    searches[question] = search
    settle(question, at: now)
  }

  /// The questions that `peer`, who has just appeared, has not been asked.
  package func questions(for peer: NodeID) -> [Question] {
    searches.values.filter { !$0.asked.contains(peer) }.map(\.question).sorted { $0.id < $1.id }
  }

  /// A peer has answered: it has the file, or says why it does not give it.
  package mutating func answered(
    _ question: UInt32, by peer: NodeID, _ outcome: FindAnswer.Outcome, at now: Instant
  ) {
    // An answer that was not asked for, or a second one, counts for nothing.
    guard let topic = searches[question]?.pending.removeValue(forKey: peer), let search = searches[question] else {
      return
    }
    noteAnswer(outcome, by: peer, to: search)
    if case .has(let file) = outcome {
      let source = Source(node: peer, topic: topic, hash: search.question.hash, offset: search.offset, file: file)
      switch search.owner {
      case .find(let id): if file.isWhole { emit(.found(id, source)) }
      case .download(let id): consider(source, for: id, at: now)
      }
    } else if case .download(let id) = search.owner {
      loseIfPartial(peer, from: id, at: now)
    }
    settle(question, at: now)
  }

  private mutating func noteAnswer(_ outcome: FindAnswer.Outcome, by peer: NodeID, to search: Search) {
    switch outcome {
    case .has(let file): history.update(search.wanted) { $0.noteAnswer(peer, .has(file)) }
    // A node that lacks the larger file may still have the part of it.
    case .refuses(let refusal) where search.question.hash == search.wanted:
      history.update(search.wanted) { $0.noteAnswer(peer, .refused(refusal)) }
    case .refuses: break
    }
  }

  /// Takes a source on unless it gave wrong bytes for this file not long ago.
  private mutating func consider(_ source: Source, for id: DownloadID, at now: Instant) {
    guard let hash = downloads[id]?.wish.key.hash else { return }
    guard distrust.covers(source.node, hash, at: now) else { return add(source, to: id, at: now) }
    downloads[id]?.liars.append(source.node)
  }

  /// Something has changed about who may appear: searches that waited for it may be over.
  package mutating func settleSearches(at now: Instant) {
    for question in searches.keys.sorted() { settle(question, at: now) }
  }

  private mutating func settle(_ question: UInt32, at now: Instant) {
    guard let search = searches[question], search.isOver(at: now, expectsPeers: expectsPeers, topics: topics)
    else { return }
    finishSearch(question, at: now)
  }

  mutating func finishSearch(_ question: UInt32, at now: Instant) {
    guard let search = searches.removeValue(forKey: question) else { return }
    let hasMore = searches.values.contains { $0.owner == search.owner }
    guard !hasMore else { return }
    switch search.owner {
    case .find(let id): emit(.findEnded(id))
    case .download(let id): failIfSourceless(id, asked: search.asked.count)
    }
  }

  /// The peer is gone: it answers nothing more and gives nothing more.
  package mutating func peerLeft(_ peer: NodeID, at now: Instant) {
    for question in searches.keys.sorted() {
      searches[question]?.asked.remove(peer)
      if searches[question]?.pending.removeValue(forKey: peer) != nil {
        // It has not answered, and may be back in a moment.
        searches[question]?.isAfterLoss = true
        searches[question]?.grace = now + Self.peerGrace
      }
      settle(question, at: now)
    }
    for id in downloads.keys.sorted(by: { $0.number < $1.number }) {
      downloads[id]?.misfits[peer] = nil
      guard let download = downloads[id], download.sources[peer] != nil else { continue }
      history.update(download.wish.key.hash) { $0.noteLoss(peer, .disconnected) }
      emit(.abandon(id, peer))
      drop(peer, from: id, at: now)
    }
  }

  func isSearching(for download: DownloadID) -> Bool {
    searches.values.contains { $0.owner == .download(download) }
  }
}

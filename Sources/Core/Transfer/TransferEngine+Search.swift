package import Primitives
package import Wire

extension TransferEngine {
  /// Asks all nodes which of them has a wanted file.
  mutating func search(_ hash: ContentHash, at now: Instant) {
    guard let retrieval = retrievals[hash] else { return }
    retrievals[hash]?.change { $0.beginSearch(at: now) }
    let losses = retrieval.attempts.losses
    let isAfterLoss = losses.last.map { !retrieval.attempts.ruledOut.nodes.contains($0) } ?? false
    let grace = isAfterLoss && losses.mayReturn ? Self.returnTime : Self.peerGrace
    ask(
      .retrieval(hash), retrieval.query, for: max(Self.searchTime, grace), grace: grace, isAfterLoss: isAfterLoss,
      at: now)
  }

  /// Asks one node what it has of a file by now.
  mutating func ask(_ node: NodeID, whatItHasOf hash: ContentHash, at now: Instant) {
    guard let retrieval = retrievals[hash] else { return }
    let source = retrieval.attempts.table.source(node)?.source
    let question = Question(
      id: newQuestion(), hash: source?.hash ?? hash, node: node, topic: retrieval.query.topic)
    searches.add(
      Search(
        owner: .retrieval(hash), wanted: hash, question: question, offset: source?.offset ?? 0,
        deadline: now + Self.searchTime, grace: now, isAfterLoss: false))
    emit(.ask(question))
  }

  /// Asks the peers for a file and, if it is a part of a larger file, for the larger one as well.
  mutating func ask(
    _ owner: Search.Owner, _ query: FileQuery, for duration: Duration, grace: Duration, isAfterLoss: Bool,
    at now: Instant
  ) {
    out.history.update(query.key.hash) { $0.beginSearch() }
    let files = [(query.key.hash, UInt64(0))] + (query.key.chunkOf.map { [($0.parent, $0.range.start)] } ?? [])
    for (hash, offset) in files {
      let question = Question(
        id: newQuestion(), hash: hash, node: query.node, topic: query.topic, wantsManifest: query.wantsManifest)
      searches.add(
        Search(
          owner: owner, wanted: query.key.hash, question: question, offset: offset, deadline: now + duration,
          grace: now + grace, isAfterLoss: isAfterLoss))
      emit(.ask(question))
    }
  }

  /// The question was sent to these peers.
  package mutating func asked(_ question: UInt32, _ peers: [AskedPeer], at now: Instant) {
    guard let wanted = searches[question]?.wanted else { return }
    for peer in peers {
      let isNew = searches.change(question) { $0.ask(peer) } ?? false
      if isNew { out.history.update(wanted) { $0.noteAnswer(peer.node, .none) } }
    }
    settle(question, at: now)
  }

  /// The questions that `peer`, which has just appeared, has not been sent.
  package func questions(for peer: NodeID) -> [Question] {
    searches.inOrder.compactMap { searches[$0] }.filter { !$0.asked.contains(peer) }.map(\.question)
  }

  /// The questions that `peer` was sent and has not answered.
  package func unanswered(by peer: NodeID) -> [Question] {
    searches.inOrder.compactMap { searches[$0] }.filter { $0.pending[peer] != nil }.map(\.question)
  }

  /// The channel over which a question was put to a peer that has not answered it; nil if there is no such question.
  package func topic(ofQuestion question: UInt32, to peer: NodeID) -> Topic? { searches[question]?.pending[peer] }

  /// A peer has answered: it has the file, or the reason why it does not send it.
  package mutating func answered(
    _ question: UInt32, by peer: NodeID, _ outcome: FindAnswer.Outcome, at now: Instant
  ) {
    // An unrequested answer, or a second one, is ignored.
    let topic = searches.change(question) { $0.pending.removeValue(forKey: peer) } ?? nil
    guard let topic, let search = searches[question] else { return }
    noteAnswer(outcome, by: peer, to: search)
    if case .has(let file) = outcome {
      let source = Source(node: peer, topic: topic, hash: search.question.hash, offset: search.offset, file: file)
      switch search.owner {
      case .find(let id): if file.isWhole { emit(.client(.found(id, source))) }
      case .retrieval(let hash): consider(source, for: hash, at: now)
      }
    } else if case .retrieval(let hash) = search.owner {
      changeAttempts(hash, at: now) { $0.dropIfPartial(peer, &$1, at: now) }
    }
    settle(question, at: now)
  }

  private mutating func noteAnswer(_ outcome: FindAnswer.Outcome, by peer: NodeID, to search: Search) {
    switch outcome {
    case .has(let file): out.history.update(search.wanted) { $0.noteAnswer(peer, .has(file)) }
    // A node that lacks the larger file may still have the part of it.
    case .refuses(let refusal) where search.question.hash == search.wanted:
      out.history.update(search.wanted) { $0.noteAnswer(peer, .refused(refusal)) }
    case .refuses: break
    }
  }

  /// Adds a source unless it recently sent wrong bytes for this file.
  private mutating func consider(_ source: Source, for hash: ContentHash, at now: Instant) {
    let isBanned = out.bans.covers(source.node, hash, at: now)
    changeAttempts(hash, at: now) { attempts, out in
      if isBanned { attempts.refuse(source.node) } else { attempts.add(source, &out, at: now) }
    }
  }

  /// The expected peers have changed: searches that waited for them may be over.
  package mutating func settleSearches(at now: Instant) {
    for question in searches.inOrder { settle(question, at: now) }
  }

  mutating func settle(_ question: UInt32, at now: Instant) {
    guard let search = searches[question], search.isOver(at: now, expectsPeers: expectsPeers, topics: topics)
    else { return }
    guard !meetsPeer || !search.mayWait(at: now, topics: topics) else {
      searches.change(question) { $0.wait(at: now) }
      return
    }
    finishSearch(question, at: now)
  }

  mutating func finishSearch(_ question: UInt32, at now: Instant) {
    guard let search = searches.remove(question), !searches.isSearching(for: search.owner) else { return }
    switch search.owner {
    case .find(let id): emit(.client(.findEnded(id)))
    case .retrieval(let hash):
      retrievals[hash]?.change { $0.endSearch(asked: search.asked.count) }
      settle(hash, at: now)
    }
  }

  /// Ignores the answers of nodes that were asked over topics for which they may no longer be asked.
  mutating func withdrawQuestions(except topics: [NodeID: Set<Topic>], at now: Instant) {
    for question in searches.inOrder {
      let nodes = searches[question]?.pending.filter { topics[$0.key]?.contains($0.value) == false }.keys.sorted()
      for node in nodes ?? [] { searches.change(question) { $0.withdraw(node) } }
    }
  }

  /// The peer is gone: it neither answers nor sends anything more.
  package mutating func peerLeft(_ peer: NodeID, at now: Instant) {
    for question in searches.inOrder {
      searches.change(question) { $0.lose(peer, at: now) }
      settle(question, at: now)
    }
    for hash in sourceIndex.files(of: peer) {
      changeAttempts(hash, at: now) { $0.lose(peer, .disconnected, &$1, at: now) }
    }
  }

  func isSearching(for hash: ContentHash) -> Bool {
    searches.isSearching(for: .retrieval(hash))
  }
}

package import Primitives
package import Transfer
package import Wire

extension NodeCore {
  /// Passes an input to the transfer engine.
  package mutating func transfer(at now: Timestamps, _ body: (inout TransferEngine, Instant) -> Void) {
    body(&transferEngine, now.instant)
    drainTransfer(at: now)
  }

  /// Turns the transfer engine's effects into effects of the node.
  mutating func drainTransfer(at now: Timestamps) {
    while let effect = transferEngine.nextEffect() {
      switch effect {
      case .ask(let question): ask(question, at: now)
      case .fetch(let fetch, let download):
        guard let link = peers.link(of: fetch.source.node) else {
          transferEngine.fetched(fetch.id, .disconnected, at: now.instant)
          continue
        }
        emit(.fetch(fetch, download, link))
      case .willFetch(let count, let download, let node):
        if let link = peers.link(of: node) { emit(.willFetch(count, download, node, link)) }
      case .download(let effect): emit(.download(effect))
      case .client(let effect): emit(.client(effect))
      case .failed(let id, let failure, let query): emit(.failed(id, explain(failure, of: query, at: now)))
      case .misbehaved(let node, let hash):
        reputation.recordBadAnswer(by: node)
        emit(.event(.misbehaved(node, hash)))
      }
    }
  }

  /// A peer reports that this node's request is waiting for its turn.
  mutating func waits(_ notice: WaitingNotice, at peer: Peer, _ now: Timestamps) {
    transferEngine.waits(for: notice.hash, at: peer.node, others: notice.others, at: now.instant)
    emit(.waiting(peer.node))
    drainTransfer(at: now)
  }

  /// A peer reports why it has stopped in the middle of a file.
  mutating func aborted(_ notice: AbortNotice, by peer: Peer, _ now: Timestamps) {
    transferEngine.aborted(notice.hash, by: peer.node, notice.reason, at: now.instant)
    drainTransfer(at: now)
  }

  // MARK: Batches

  /// The peers that can be asked for many small files, each with its link and the channel.
  package func batchSources(node: NodeID?, topic: Topic?) -> [(peer: AskedPeer, link: LinkID)] {
    peers.linked.compactMap { peer in
      guard node == nil || node == peer.node,
        let shared = membership.askableTopics(of: peer).first(where: { topic == nil || topic == $0 })
      else { return nil }
      return (AskedPeer(node: peer.node, topic: shared), peer.link)
    }
  }

  /// A node sent wrong bytes.
  package mutating func misbehaved(_ node: NodeID, _ hash: ContentHash, at now: Timestamps) {
    transferEngine.misbehaved(node, hash, at: now.instant)
    reputation.recordBadAnswer(by: node)
    emit(.event(.misbehaved(node, hash)))
  }

  /// Why a file that none of `asked` peers has cannot be loaded.
  package func missing(_ key: FileKey, asked: Int, at now: Timestamps) -> KacheryError {
    explain(.noSource(asked: asked), of: FileQuery(key: key), at: now)
  }

  // MARK: Questions

  private mutating func ask(_ question: Question, at now: Timestamps) {
    let links =
      question.node.map { node in peers.link(of: node).map { [$0] } ?? [] } ?? peers.preferred
    let asked = links.compactMap { put(question, to: $0) }
    transferEngine.asked(question.id, asked, at: now.instant)
  }

  /// Sends the question to one peer if it may be asked; returns the peer.
  private mutating func put(_ question: Question, to link: LinkID) -> AskedPeer? {
    guard let peer = peers[link], question.node == nil || question.node == peer.node else { return nil }
    let topics = membership.askableTopics(of: peer)
    guard let topic = topics.first(where: { question.topic == nil || question.topic == $0 }),
      let proof = proof(of: topic, on: link)
    else { return nil }
    let request = FindRequest(
      id: question.id, channel: proof, hash: question.hash, wantsManifest: question.wantsManifest)
    emit(.link(.send(link, .find(request))))
    return AskedPeer(node: peer.node, topic: topic)
  }

  /// Sends the open questions to a peer that has just become askable.
  mutating func askOpenQuestions(to link: LinkID, at now: Timestamps) {
    guard let node = peers[link]?.node, peers.link(of: node) == link else { return }
    for question in transferEngine.questions(for: node) {
      guard let asked = put(question, to: link) else { continue }
      transferEngine.asked(question.id, [asked], at: now.instant)
    }
    drainTransfer(at: now)
  }

  /// Sends the questions that a node has not answered again, over its preferred link: an answer over another link may
  /// never come.
  mutating func repeatQuestions(to node: NodeID, at now: Timestamps) {
    guard let link = peers.link(of: node) else { return }
    for question in transferEngine.unanswered(by: node) where put(question, to: link) == nil {
      transferEngine.answered(question.id, by: node, .refuses(.notAuthorized), at: now.instant)
    }
    drainTransfer(at: now)
  }

  mutating func take(_ answer: FindAnswer, from peer: Peer, at now: Timestamps) {
    if let topic = transferEngine.topic(ofQuestion: answer.id, to: peer.node) {
      let isRefused = answer.outcome == .refuses(.notAuthorized)
      reputation.record(isRefused: isRefused, by: peer.node, over: topic)
    }
    transferEngine.answered(answer.id, by: peer.node, answer.outcome, at: now.instant)
    drainTransfer(at: now)
  }

  /// Answers a peer. A peer without permission gets the same refusal for any file, before the store is consulted.
  mutating func answer(_ request: FindRequest, on peer: Peer, at now: Timestamps) {
    guard mayServe(peer.link, over: request.channel) else {
      return emit(.link(.send(peer.link, .found(FindAnswer(id: request.id, .refuses(.notAuthorized))))))
    }
    guard peer.lookups.count < Self.maximumLookups else {
      return refuse(
        peer.link, .violation, "more than \(Self.maximumLookups) questions wait for an answer",
        at: now)
    }
    transferEngine.wanted(request.hash, by: peer.node, at: now.instant)
    lastLookup += 1
    let lookup = LookupID(number: lastLookup)
    peers.change(peer.link) { $0.lookups.insert(lookup) }
    lookups[lookup] = (peer.link, request)
    emit(.lookUp(lookup, request.hash, wantsManifest: request.wantsManifest))
  }

  /// The store's answer to a peer's question: the file, or why it is not available.
  package mutating func lookedUp(_ lookup: LookupID, _ outcome: FindAnswer.Outcome) {
    guard let (link, request) = lookups.removeValue(forKey: lookup) else { return }
    peers.change(link) { $0.lookups.remove(lookup) }
    // The membership may have been withdrawn during the lookup.
    let answer = mayServe(link, over: request.channel) ? outcome : .refuses(.notAuthorized)
    guard peers[link]?.isActive == true else { return }
    emit(.link(.send(link, .found(FindAnswer(id: request.id, answer)))))
  }
}

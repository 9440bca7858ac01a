package import Primitives
package import Transfer
package import Wire

extension NodeCore {
  /// A client wants to know who has a file; ends by `findEnded`.
  package mutating func find(_ id: FindID, _ query: FileQuery, for duration: Duration, at now: Timestamps) {
    transfer.find(id, query, for: duration, at: now.instant)
    drainTransfer(at: now)
  }

  /// The client no longer wants to know.
  package mutating func stopFind(_ id: FindID) { transfer.stopFind(id) }

  /// A client wants a file that is not in the store; ends by `loaded` or `failed`.
  package mutating func load(_ id: LoadID, _ query: FileQuery, at now: Timestamps) {
    transfer.load(id, query, at: now.instant)
    drainTransfer(at: now)
  }

  /// The client no longer waits.
  package mutating func cancelLoad(_ id: LoadID, at now: Timestamps) {
    transfer.cancel(id)
    drainTransfer(at: now)
  }

  /// The manifest was looked for in the store: it is here, or (nil) not.
  package mutating func manifestRead(_ id: DownloadID, _ manifest: Manifest?, at now: Timestamps) {
    transfer.manifestRead(id, manifest, at: now.instant)
    drainTransfer(at: now)
  }

  /// The store is ready to receive the file; these pieces of it are here already, verified.
  package mutating func prepared(_ id: DownloadID, verified: PieceSet = [], at now: Timestamps) {
    transfer.prepared(id, verified: verified, at: now.instant)
    drainTransfer(at: now)
  }

  /// The store could not be made ready to receive the file.
  package mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, at now: Timestamps) {
    transfer.storageFailed(id, error, at: now.instant)
    drainTransfer(at: now)
  }

  /// Bytes of a piece have arrived, `count` of it in all.
  package mutating func received(_ count: UInt64, of fetch: FetchID, at now: Timestamps) {
    transfer.received(fetch, count, at: now.instant)
    drainTransfer(at: now)
  }

  /// The fetch of a piece has ended.
  package mutating func fetched(_ fetch: FetchID, _ outcome: FetchOutcome, at now: Timestamps) {
    transfer.fetched(fetch, outcome, at: now.instant)
    drainTransfer(at: now)
  }

  /// The whole file was checked: it has been admitted, or why not.
  package mutating func completed(_ id: DownloadID, _ outcome: CompletionOutcome, at now: Timestamps) {
    transfer.completed(id, outcome, at: now.instant)
    drainTransfer(at: now)
  }

  /// Turns what the transfer engine wants into effects of the node.
  mutating func drainTransfer(at now: Timestamps) {
    while let effect = transfer.nextEffect() {
      switch effect {
      case .ask(let question): ask(question, at: now)
      case .fetch(let fetch, let download):
        guard let link = linkOfNode[fetch.source.node] else {
          transfer.fetched(fetch.id, .disconnected, at: now.instant)
          continue
        }
        emit(.fetch(fetch, download, link))
      case .readManifest(let id, let hash, let manifest): emit(.readManifest(id, of: hash, named: manifest))
      case .prepare(let id, let plan): emit(.prepare(id, plan))
      case .abandon(let id, let node): emit(.abandon(id, node))
      case .complete(let id): emit(.complete(id))
      case .discard(let id): emit(.discard(id))
      case .misbehaved(let node, let hash):
        recordBadAnswer(node)
        emit(.event(.misbehaved(node, hash)))
      case .found(let id, let source): emit(.found(id, source))
      case .findEnded(let id): emit(.findEnded(id))
      case .progress(let id, let loaded, let total, let node):
        emit(.progress(id, loaded: loaded, total: total, node: node))
      case .waits(let id, let node, let others): emit(.loadWaits(id, node: node, others: others))
      case .loaded(let id): emit(.loaded(id))
      case .failed(let id, let failure, let query): emit(.failed(id, explain(failure, of: query, at: now)))
      }
    }
  }

  /// A peer says that its turn for this node has yet to come.
  mutating func waits(_ notice: WaitingNotice, at peer: Peer, _ now: Timestamps) {
    transfer.waits(for: notice.hash, at: peer.node, others: notice.others, at: now.instant)
    emit(.waiting(peer.node))
    drainTransfer(at: now)
  }

  /// A peer says why it has stopped in the middle of a file.
  mutating func aborted(_ notice: AbortNotice, by peer: Peer, _ now: Timestamps) {
    transfer.aborted(notice.hash, by: peer.node, notice.reason, at: now.instant)
    drainTransfer(at: now)
  }

  // MARK: Batches

  /// The peers that many small files may be asked of, each with its link and the channel over which.
  package func batchSources(node: NodeID?, topic: Topic?) -> [(peer: AskedPeer, link: LinkID)] {
    linkOfNode.values.sorted { $0.number < $1.number }.compactMap { link in
      guard let peer = peers[link], node == nil || node == peer.node,
        let shared = askableTopics(of: peer).first(where: { topic == nil || topic == $0 })
      else { return nil }
      return (AskedPeer(node: peer.node, topic: shared), link)
    }
  }

  /// A node gave bytes that are not what they should be.
  package mutating func misbehaved(_ node: NodeID, _ hash: ContentHash, at now: Timestamps) {
    transfer.misbehaved(node, hash, at: now.instant)
    recordBadAnswer(node)
    emit(.event(.misbehaved(node, hash)))
  }

  /// A node does not give a file of a batch, for this reason.
  package mutating func refused(_ node: NodeID, _ hash: ContentHash, _ refusal: Refusal) {
    transfer.refused(node, hash, refusal)
  }

  /// Why a file cannot be loaded that none of so many peers has.
  package func missing(_ key: FileKey, asked: Int, at now: Timestamps) -> KacheryError {
    explain(.noSource(asked: asked), of: FileQuery(key: key), at: now)
  }

  // MARK: Questions

  private mutating func ask(_ question: Question, at now: Timestamps) {
    let asked = linkOfNode.values.sorted { $0.number < $1.number }.compactMap { link in put(question, to: link) }
    transfer.asked(question.id, asked, at: now.instant)
  }

  /// Puts the question to one peer if it may be asked; says whom.
  private mutating func put(_ question: Question, to link: LinkID) -> AskedPeer? {
    guard let peer = peers[link], question.node == nil || question.node == peer.node else { return nil }
    let topics = askableTopics(of: peer)
    guard let topic = topics.first(where: { question.topic == nil || question.topic == $0 }) else { return nil }
    let request = FindRequest(
      id: question.id, topic: topic, hash: question.hash, wantsManifest: question.wantsManifest)
    emit(.send(link, .find(request)))
    return AskedPeer(node: peer.node, topic: topic)
  }

  /// Puts to a peer that has just become askable what is still being asked.
  mutating func askOpenQuestions(to link: LinkID, at now: Timestamps) {
    guard let node = peers[link]?.node, linkOfNode[node] == link else { return }
    for question in transfer.questions(for: node) {
      guard let asked = put(question, to: link) else { continue }
      transfer.asked(question.id, [asked], at: now.instant)
    }
    drainTransfer(at: now)
  }

  mutating func take(_ answer: FindAnswer, from peer: Peer, at now: Timestamps) {
    transfer.answered(answer.id, by: peer.node, answer.outcome, at: now.instant)
    drainTransfer(at: now)
  }

  /// Answers a peer. One that may not ask is told so whatever it asks for, before anybody looks whether it is here.
  mutating func answer(_ request: FindRequest, on peer: Peer, at now: Timestamps) {
    guard mayServe(peer.link, over: request.topic) else {
      return emit(.send(peer.link, .found(FindAnswer(id: request.id, .refuses(.notAuthorized)))))
    }
    guard peer.lookups < Self.maximumLookups else {
      return refuse(peer.link, .violation, "more than \(Self.maximumLookups) questions wait for an answer")
    }
    transfer.wanted(request.hash, by: peer.node, at: now.instant)
    peers[peer.link]?.lookups += 1
    lastLookup += 1
    let lookup = LookupID(number: lastLookup)
    lookups[lookup] = (peer.link, request)
    emit(.lookUp(lookup, request.hash, wantsManifest: request.wantsManifest))
  }

  /// The store was looked into for a peer: the file is here, or why not.
  package mutating func lookedUp(_ lookup: LookupID, _ outcome: FindAnswer.Outcome) {
    guard let (link, request) = lookups.removeValue(forKey: lookup) else { return }
    peers[link]?.lookups -= 1
    // The membership may have been withdrawn while the store was looked into.
    let answer = mayServe(link, over: request.topic) ? outcome : .refuses(.notAuthorized)
    guard peers[link]?.isActive == true else { return }
    emit(.send(link, .found(FindAnswer(id: request.id, answer))))
  }
}

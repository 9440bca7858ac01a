import ContentStore
import Links
import NodeCore
import Primitives
import Transfer
import Wire

extension Node {
  func perform(_ effect: NodeEffect) {
    switch effect {
    case .dial(let id, let endpoint, let expected): dial(id, endpoint, expected)
    case .cancelDial(let id): dials.removeValue(forKey: id)?.cancel()
    case .send(let link, let message): links[link]?.send(message)
    case .close(let link, let goodbye): links[link]?.close(goodbye)
    case .lookUp(let lookup, let hash, let wants): lookUp(lookup, hash, wantsManifest: wants)
    case .readManifest(let download, let hash, let manifest): readManifest(download, hash, manifest)
    case .prepare(let download, let plan): prepare(download, plan)
    case .fetch(let fetch, let download, let link): self.fetch(fetch, download, over: link)
    case .abandon(let download, let node):
      clients.removeValue(forKey: FetchClientKey(download: download, node: node))?.close()
    case .complete(let download): complete(download)
    case .discard(let download): discard(download)
    case .waiting(let node): for batch in batches.values { batch.transfer?.waits(for: node) }
    case .found(let id, let source): tellFound(id, source)
    case .findEnded(let id): finds.removeValue(forKey: id)?.continuation.finish()
    case .progress(let id, let loaded, let total, let node): tellProgress(id, loaded, total, node)
    case .loadWaits(let id, let node, let others): tellWait(id, node, others)
    case .loaded(let id): finishLoad(id, nil)
    case .failed(let id, let error): finishLoad(id, error)
    case .feedRequest(let link, let request): links[link]?.feeds.ask(request)
    case .feedAnswer(let link, let answer): links[link]?.feeds.answer(answer)
    case .feedBytesDealtWith(let link, let count): links[link]?.feeds.released(count)
    case .feed(let effect): perform(effect)
    case .event(let event): note(event)
    }
  }

  private func note(_ event: NodeEvent) {
    counters.links.add(core.activePeers.count - counters.links.current)
    switch event {
    case .linked(let node, let label): log.info("Linked to \(label.isEmpty ? "node" : "'\(label)'") \(node.short).")
    case .unlinked(let node): log.info("The link to node \(node.short) has ended.")
    case .refused(let node, let goodbye, let byPeer):
      let who = byPeer ? "Node \(node.short) ended the link" : "The link to node \(node.short) was ended"
      let text = "\(who): \(goodbye.reason)."
      goodbye.code == .stopping || goodbye.code == .duplicate ? log.debug(text) : log.warning(text)
    case .misbehaved(let node, let hash):
      counters.piecesRefused.add()
      log.warning("Node \(node.short) gave bytes that do not have the hash \(hash); they were dropped.")
    case .clockSkew(let node, let seconds):
      log.warning("The clock of node \(node.short) is \(seconds) s away from this one's; one of the two is wrong.")
    }
  }

  // MARK: The store

  func lookUp(_ lookup: LookupID, _ hash: ContentHash, wantsManifest: Bool) {
    let servesNobody = uploads.limits.maximumTransfers == 0
    let arriving = servesNobody ? nil : arriving(hash)
    loop.work { [store] in
      do throws(KacheryError) {
        guard let found = try store.find(hash) else {
          if let part = arriving?.share() { return FindAnswer.Outcome.has(FindAnswer.File(part)) }
          return .refuses(Refusal(absence: hash, in: store))
        }
        // Whoever were told that it is here would wait for a turn that never comes.
        guard !servesNobody else { return .refuses(.limitReached) }
        return .has(FindAnswer.File(size: found.size, manifest: store.knownManifest(of: found)))
      } catch {
        return .refuses(Refusal(error))
      }
    } then: { answer in
      guard !wantsManifest || !self.awaitsManifest(lookup, hash, answer) else { return }
      self.input { core, _ in core.lookedUp(lookup, answer) }
    }
  }

  /// The file with this hash while it is being loaded; of several that nodes describe differently, the one that has come
  /// furthest.
  func arriving(_ hash: ContentHash) -> IncomingFile? {
    incoming.values.filter { $0.hash == hash }.max { $0.verifiedBytes < $1.verifiedBytes }
  }

  private func readManifest(_ download: DownloadID, _ hash: ContentHash, _ manifest: ContentHash) {
    loop.work { [store] in
      Result { () throws(KacheryError) in try store.manifest(for: hash, named: manifest) }
    } then: { result in
      self.input { core, now in
        switch result {
        case .success(let found): core.manifestRead(download, found, at: now)
        case .failure(let error): core.storageFailed(download, error, at: now)
        }
      }
    }
  }

  private func prepare(_ download: DownloadID, _ plan: DownloadPlan) {
    wanted.insert(download)
    inTurn(plan.hash) {
      guard self.wanted.contains(download) else { return self.turnEnded(plan.hash) }
      let isBeside = self.incoming.values.contains { $0.hash == plan.hash }
      self.loop.work { [store = self.store] in
        Result { () throws(KacheryError) in try Preparation(of: plan, isBeside: isBeside, in: store) }
      } then: { result in
        self.prepared(download, plan, result)
        self.turnEnded(plan.hash)
      }
    }
  }

  /// What there is of a file when it shall be received.
  private enum Preparation {
    case receiving(IncomingFile)
    /// Another node that shares the storage directory has received it meanwhile.
    case isHere
    /// Another one receives it.
    case isUnderway

    init(of plan: DownloadPlan, isBeside: Bool, in store: ContentStore) throws(KacheryError) {
      // A damaged file, of another size, is to be replaced.
      if try store.find(plan.hash)?.size == plan.size {
        self = .isHere
        return
      }
      do throws(KacheryError) {
        self = .receiving(
          // Of a plan without a manifest nothing can be kept for later: nothing shows whether it is right.
          try store.beginReceive(
            plan.hash, size: plan.size, manifest: plan.manifest, chunks: plan.chunks, isBeside: isBeside))
      } catch {
        guard error.code == .alreadyRunning else { throw error }
        self = .isUnderway
      }
    }
  }

  /// How often a file that another node receives into the same storage directory is looked for.
  private static let sharedPeriod: Duration = .seconds(1)

  private func inTurn(_ hash: ContentHash, _ work: @escaping () -> Void) { turns.take(hash, work)?() }

  private func turnEnded(_ hash: ContentHash) { turns.end(hash)?() }

  private func prepared(_ download: DownloadID, _ plan: DownloadPlan, _ result: Result<Preparation, KacheryError>) {
    switch result {
    case .failure(let error): input { core, now in core.storageFailed(download, error, at: now) }
    case .success(.isHere):
      input { core, now in core.prepared(download, verified: PieceSet(plan.pieces.indices), at: now) }
    case .success(.isUnderway):
      _ = loop.after(Self.sharedPeriod) { if self.wanted.contains(download) { self.prepare(download, plan) } }
    case .success(.receiving(let file)):
      guard wanted.contains(download) else { return file.close() }
      incoming[download] = file
      let verified = PieceSet(file.resumed.compactMap { plan.place(of: $0.range) })
      input { core, now in core.prepared(download, verified: verified, at: now) }
    }
  }

  private func complete(_ download: DownloadID) {
    guard let file = incoming[download] else {
      // Nothing was to be received: another node did that.
      return input { core, now in core.completed(download, .admitted, at: now) }
    }
    loop.work {
      Self.finish(file)
    } then: { outcome in
      self.input { core, now in core.completed(download, outcome, at: now) }
    }
  }

  private static nonisolated func finish(_ file: IncomingFile) -> CompletionOutcome {
    do throws(KacheryError) {
      _ = try file.finish()
      return .admitted
    } catch {
      return .failed(error)
    }
  }

  private func discard(_ download: DownloadID) {
    wanted.remove(download)
    for (key, client) in clients where key.download == download {
      client.close()
      clients[key] = nil
    }
    guard let file = incoming.removeValue(forKey: download) else { return }
    inTurn(file.hash) {
      self.loop.work {
        file.close()
      } then: {
        self.turnEnded(file.hash)
      }
    }
  }

  // MARK: Fetching

  private func fetch(_ fetch: PieceFetch, _ download: DownloadID, over link: LinkID) {
    guard let connection = links[link], let file = incoming[download], let range = fetch.range else {
      return input { core, now in core.fetched(fetch.id, .disconnected, at: now) }
    }
    // It was accepted just before its source was given up.
    guard !file.hasArrived(fetch.piece.range) else {
      return input { core, now in core.fetched(fetch.id, .verified, at: now) }
    }
    let key = FetchClientKey(download: download, node: fetch.source.node)
    let client = clients[key] ?? makeFetchClient(key, connection.link, file)
    client.request(fetch, range)
  }

  private func makeFetchClient(_ key: FetchClientKey, _ link: Link, _ file: IncomingFile) -> FetchClient {
    let window = FetchWindow.next(beside: clients.values.map(\.window), rate: receiving.limit.rate)
    let client = FetchClient(link: link, incoming: file, loop: loop, limiter: receiving, window: window)
    client.onProgress = { fetch, count, received in
      self.counters.bytesReceived.add(count)
      self.input { core, now in core.received(received, of: fetch, at: now) }
    }
    client.onOutcome = { fetch, outcome in
      if case .verified = outcome { self.counters.piecesVerified.add() }
      self.input { core, now in core.fetched(fetch, outcome, at: now) }
    }
    clients[key] = client
    return client
  }
}

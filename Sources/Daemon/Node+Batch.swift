import APIModel
import ContentStore
import LocalAPI
import Primitives
import Transfer
import Wire

/// Loads of many files at once.
extension Node {
  /// Files looked for in the store in one go: few at first, so that something begins to come, then many, because a look
  /// waits for its turn behind what comes.
  private static let lookedForFirst = 512
  private static let lookedForAtOnce = 8_192
  /// Bytes of small files that all batches may have in memory, and that one node may send ahead of the disk: so many, not
  /// fewer, that there is something to do while others wait for the disk.
  private static let batchMemory = 64 << 20
  private static let batchWindow = 16 << 20

  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<[BatchLoadEvent], any Error> {
    let (stream, continuation) = AsyncThrowingStream<[BatchLoadEvent], any Error>.makeStream()
    let id = newClient()
    let batch = BatchLoadSession(request, loop: loop, continuation: continuation)
    batches[id] = batch
    continuation.onTermination = { _ in Task { await self.endBatch(id) } }
    request.keys.isEmpty ? batch.finish() : lookFor(request.keys.indices, of: batch)
    return stream
  }

  /// The client has everything, or has gone.
  private func endBatch(_ id: UInt64) {
    guard let batch = batches.removeValue(forKey: id) else { return }
    batch.abandon()
    for load in batch.underway.keys.sorted(by: { $0.number < $1.number }) { cancelLoad(load) }
  }

  /// Tells of the files that are here already, and fetches the others; the first of them come while later ones are looked
  /// for.
  private func lookFor(_ indices: Range<Int>, of batch: BatchLoadSession) {
    let group = indices.prefix(indices.lowerBound == 0 ? Self.lookedForFirst : Self.lookedForAtOnce)
    guard !batch.isClosed, !group.isEmpty else { return }
    let hashes = group.map { batch.request.keys[$0].hash }
    loop.work { [store] in
      hashes.map { hash in Result { () throws(KacheryError) in try store.find(hash) } }
    } then: {
      found in
      var missing: [Int] = []
      for (index, result) in zip(group, found) {
        switch result {
        case .success(let file?): batch.ended(index, bytes: file.size, .success(file.path))
        case .success(nil): missing.append(index)
        case .failure(let error): batch.ended(index, .failure(error))
        }
      }
      self.fetch(missing, of: batch)
      self.lookFor(indices.dropFirst(group.count), of: batch)
    }
  }

  /// Small files come together from whoever has them; a part of a file, and whatever is too large, comes by itself.
  private func fetch(_ missing: [Int], of batch: BatchLoadSession) {
    let keys = batch.request.keys
    let small = missing.filter { keys[$0].chunkOf == nil }
    for index in missing where keys[index].chunkOf != nil { batch.needsEngine(index) }
    do throws(KacheryError) {
      if let transfer = try transfer(of: batch) {
        transfer.add(small.map { ($0, keys[$0].hash) }.sorted { $0.hash < $1.hash })
      } else {
        // Somebody may yet appear; the engine knows how long to wait for that.
        for index in small { batch.needsEngine(index) }
      }
    } catch {
      for index in small { batch.ended(index, .failure(error)) }
    }
    advanceEngine(batch)
  }

  /// What brings the small files of this batch; nil if there is nobody to bring them.
  private func transfer(of batch: BatchLoadSession) throws(KacheryError) -> BatchDownload? {
    if let transfer = batch.transfer { return transfer }
    let node = batch.request.node
    let topic = try batch.request.channel.map { name throws(KacheryError) in try self.topic(ofChannel: name) }
    guard !batchSources(node, topic).isEmpty else { return nil }
    let transfer = BatchDownload(store: store, loop: loop, limiter: receiving) { self.batchSources(node, topic) }
    batch.transfer = transfer
    transfer.onEvent = { event in self.take(event, of: batch) }
    return transfer
  }

  /// The nodes that small files may be asked of now.
  private func batchSources(_ node: NodeID?, _ topic: Topic?) -> [BatchSource] {
    let linked = core.batchSources(node: node, topic: topic).compactMap { peer, id in
      links[id].map { (peer: peer, id: id, link: $0.link) }
    }
    let share = Self.batchMemory / max(1, batches.count * linked.count)
    let window = FetchWindow.kept(min(Self.batchWindow, share), to: receiving.limit.rate)
    return linked.map { peer, id, link in
      BatchSource(node: peer.node, topic: peer.topic, link: id) { link.openStream(window: window) }
    }
  }

  private func take(_ event: BatchDownload.Event, of batch: BatchLoadSession) {
    switch event {
    case .received(let bytes): counters.bytesReceived.add(bytes)
    case .misbehaved(let node, let hash): input { core, now in core.misbehaved(node, hash, at: now) }
    case .refused(let node, let hash, let refusal): input { core, _ in core.refused(node, hash, refusal) }
    case .ended(let index, .stored(let path), let bytes):
      counters.loadsFinished.add()
      batch.ended(index, bytes: UInt64(bytes), .success(path))
    case .ended(let index, .failed(let error), _):
      counters.loadsFailed.add()
      batch.ended(index, .failure(error))
    case .ended(let index, .missing(.nowhere(let asked)), _):
      counters.loadsFailed.add()
      batch.ended(index, .failure(core.missing(batch.request.keys[index], asked: asked, at: now)))
    case .ended(let index, .missing(.needsEngine), _):
      batch.needsEngine(index)
      advanceEngine(batch)
    }
  }

  /// Begins with more loads of the engine as long as there is room for them.
  private func advanceEngine(_ batch: BatchLoadSession) {
    while let index = batch.takeForEngine() {
      let key = batch.request.keys[index]
      do throws(KacheryError) {
        let query = try query(key, node: batch.request.node, channel: batch.request.channel)
        let id = LoadID(number: newClient())
        batch.underway[id] = 0
        loads[id] = LoadWaiter(
          hash: key.hash, manifest: key.manifest,
          progress: { loaded, _, _ in
            batch.underway[id] = loaded
            batch.tellProgress()
          },
          waits: { batch.tellWait($0) },
          end: { outcome in
            let bytes = batch.underway.removeValue(forKey: id) ?? 0
            batch.ended(index, bytes: bytes, outcome)
            self.advanceEngine(batch)
          })
        input { core, now in core.load(id, query, at: now) }
      } catch {
        batch.ended(index, .failure(error))
      }
    }
  }
}

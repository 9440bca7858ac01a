import APIModel
import ContentStore
import LocalAPI
import Primitives
import Transfer

/// Loads of many files at once.
extension Node {
  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<BatchLoadEvent, any Error> {
    let (stream, continuation) = AsyncThrowingStream<BatchLoadEvent, any Error>.makeStream()
    let id = newClient()
    let batch = BatchLoad(request, loop: loop, continuation: continuation)
    batches[id] = batch
    continuation.onTermination = { _ in Task { await self.endBatch(id) } }
    request.keys.isEmpty ? batch.finish() : advance(batch)
    return stream
  }

  /// The client has everything, or has gone.
  private func endBatch(_ id: UInt64) {
    guard let batch = batches.removeValue(forKey: id) else { return }
    batch.abandon()
    for load in batch.underway.keys.sorted(by: { $0.number < $1.number }) { cancelLoad(load) }
  }

  /// Begins with more files as long as there is room for them.
  private func advance(_ batch: BatchLoad) {
    let indices = batch.take()
    guard !indices.isEmpty else { return }
    let hashes = indices.map { batch.request.keys[$0].hash }
    loop.work({ [store] in hashes.map { hash in Result { () throws(KacheryError) in try store.find(hash) } } }) {
      found in
      guard !batch.isClosed else { return }
      for (index, result) in zip(indices, found) {
        batch.begun()
        self.begin(index, of: batch, result)
      }
      // Files that were here already have left room.
      self.advance(batch)
    }
  }

  private func begin(_ index: Int, of batch: BatchLoad, _ found: Result<StoredFile?, KacheryError>) {
    let key = batch.request.keys[index]
    do throws(KacheryError) {
      if let file = try found.get() { return batch.ended(index, bytes: file.size, .success(file.path)) }
      let wish = try wish(key, node: batch.request.node, channel: batch.request.channel)
      let id = LoadID(number: newClient())
      batch.underway[id] = 0
      loads[id] = LoadWaiter(
        hash: key.hash, manifest: key.manifest,
        progress: { loaded, _, _ in
          batch.underway[id] = loaded
          batch.tellProgress()
        },
        end: { outcome in
          let bytes = batch.underway.removeValue(forKey: id) ?? 0
          batch.ended(index, bytes: bytes, outcome)
          self.advance(batch)
        })
      input { core, now in core.load(id, wish, at: now) }
    } catch {
      batch.ended(index, .failure(error))
    }
  }
}

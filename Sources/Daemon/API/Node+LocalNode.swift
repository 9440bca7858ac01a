import APIModel
import ContentStore
import Diagnostics
import Files
import LocalAPI
import NodeCore
import Primitives
import Transfer
import Wire

extension Node: LocalNode {
  /// Messages that may wait for one client.
  private static let progressKept = 100

  nonisolated var metrics: Metrics { counters.all }

  var probe: ProbeReply {
    ProbeReply(
      node: id, isBootstrap: configuration.isBootstrap, joinedChannels: channels.list,
      storageDirectory: configuration.storageDirectory)
  }

  // MARK: Storing

  func note(_ receipt: StoreReceipt) -> StoreReply {
    counters.filesStored.add()
    return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
  }

  func storeFile(at path: String) async throws(KacheryError) -> StoreReply {
    guard path.begins(with: "/") else {
      throw KacheryError(
        .badRequest, "The path '\(path)' is not absolute; the daemon does not know the client's working directory.")
    }
    return note(
      try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.store(path: path) })
  }

  func beginUpload() async throws(KacheryError) -> any Upload {
    let writer = try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.beginStore() }
    return StoreUpload(node: self, writer: writer)
  }

  fileprivate func finishUpload(_ writer: StoreWriter) async throws(KacheryError) -> StoreReply {
    note(try await loop.onPool { () throws(KacheryError) in try writer.finish() })
  }

  func openFile(_ request: DownloadRequest) async throws(KacheryError) -> any FileBytes {
    let key = request.key
    let file = try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.open(key.hash) }
    if let file { return try StoredBytes(file, loop: loop, start: request.start, end: request.end ?? file.size) }
    // A chunk may be here as a part of its file.
    if let chunk = key.chunkOf,
      let parent = try await loop.onPool({ [store = storage.store] () throws(KacheryError) in
        try store.open(chunk.parent)
      }),
      ByteRange(whole: parent.size).contains(chunk.range)
    {
      let end = min(request.end.map { chunk.range.start + $0 } ?? chunk.range.end, chunk.range.end)
      return try StoredBytes(parent, loop: loop, start: chunk.range.start + request.start, end: end)
    }
    throw KacheryError(.notFound, "The file \(key.hash) is not on this node; load it first.")
  }

  // MARK: Finding and loading

  func findFile(_ request: FindFileRequest) -> AsyncStream<FoundFile> {
    find(FileQuery(key: request.key), for: request.timeout)
  }

  func find(_ query: FileQuery, for time: Duration) -> AsyncStream<FoundFile> {
    let (stream, continuation) = AsyncStream<FoundFile>.makeStream()
    let id = requests.find(query, for: time, found: { continuation.yield($0) }, end: { continuation.finish() })
    continuation.onTermination = { _ in Task { await self.cancel(id) } }
    return stream
  }

  private func cancel(_ id: FindID) { requests.cancel(id) }

  func loadFile(_ request: LoadRequest) -> AsyncThrowingStream<LoadEvent, any Error> {
    // A slow client may miss progress messages. The last message, the end, is never dropped.
    let (stream, continuation) = AsyncThrowingStream<LoadEvent, any Error>.makeStream(
      bufferingPolicy: .bufferingNewest(Self.progressKept))
    let observer = LoadObserver(
      progress: { continuation.yield(.progress(loaded: $0, total: $1, node: $2)) },
      waits: request.reportWaiting ? { continuation.yield(.waiting($0)) } : nil,
      end: { [loop, store = storage.store] outcome in
        switch outcome {
        case .success(let path):
          if let name = request.name {
            loop.work {
              store.index?.note(names: [(request.key.hash, name)])
            } then: {
            }
          }
          continuation.yield(.finished(path: path))
          continuation.finish()
        case .failure(let error): continuation.finish(throwing: error)
        }
      })
    let id = requests.load(request, observer)
    continuation.onTermination = { _ in Task { await self.cancel(id) } }
    return stream
  }

  private func cancel(_ id: LoadID) { requests.cancel(id) }

  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<[BatchLoadEvent], any Error> {
    let (stream, continuation) = AsyncThrowingStream<[BatchLoadEvent], any Error>.makeStream()
    let number = batches.load(request, continuation)
    continuation.onTermination = { _ in Task { await self.cancelBatch(number) } }
    return stream
  }

  private func cancelBatch(_ number: UInt64) { batches.cancel(number) }

  // MARK: Mutables

  func mutable(_ key: JSONValue) async throws(KacheryError) -> JSONValue? {
    try await loop.onPool { [mutables = storage.mutables] () throws(KacheryError) in try mutables.get(key) }
  }

  func setMutable(_ key: JSONValue, _ value: JSONValue, update: Bool) async throws(KacheryError) -> Bool {
    let isSet = try await loop.onPool { [mutables = storage.mutables] () throws(KacheryError) in
      try mutables.set(key, value, update: update)
    }
    if isSet, key == JoinedChannel.mutableKey { await join(JoinedChannel.list(from: value)) }
    return isSet
  }

  func deleteMutable(_ key: JSONValue) async throws(KacheryError) {
    _ = try await loop.onPool { [mutables = storage.mutables] () throws(KacheryError) in try mutables.delete(key) }
    if key == JoinedChannel.mutableKey { await join([]) }
  }
}

extension Node {
  private func join(_ list: [JoinedChannel]) async {
    await withCheckedContinuation { continuation in channels.replace(list) { continuation.resume() } }
  }
}

/// A client's upload.
private struct StoreUpload: Upload {
  let node: Node
  let writer: StoreWriter

  func write(_ bytes: [UInt8]) async throws(KacheryError) {
    try await node.loop.onPool { [writer] () throws(KacheryError) in try writer.write(bytes) }
  }

  func finish() async throws(KacheryError) -> StoreReply { try await node.finishUpload(writer) }

  func cancel() async { _ = try? await node.loop.onPool { [writer] in writer.cancel() } }
}

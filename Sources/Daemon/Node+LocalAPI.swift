import APIModel
import ContentStore
import Diagnostics
import Files
import LocalAPI
import NodeCore
import Primitives
import Transfer
import Wire

/// Whoever waits for a file.
struct LoadWaiter {
  let hash: ContentHash
  let manifest: ContentHash?
  /// Bytes have come: so many of so many; from whom.
  let progress: (_ loaded: UInt64, _ total: UInt64, NodeID?) -> Void
  /// Nobody gives anything, because a node serves others first.
  var waits: ((BusyNode) -> Void)?
  /// The file lies here, or why it does not.
  let end: (Result<String, KacheryError>) -> Void
  var toldAt: Instant?
  /// The bytes that were last told of.
  var told: UInt64?
  var toldWaitAt: Instant?
}

/// A client that looks for the nodes that have a file.
struct FindWaiter {
  let key: FileKey
  let continuation: AsyncStream<FoundFile>.Continuation
}

extension Node: LocalNode {
  /// The least time between two messages of progress.
  private static let progressPeriod: Duration = .milliseconds(100)
  /// The least time between two messages that nobody gives anything.
  private static let waitPeriod: Duration = .seconds(1)
  /// Messages that wait for one client.
  private static let progressKept = 100

  nonisolated var metrics: Metrics { counters.all }

  var probe: ProbeReply {
    ProbeReply(
      node: id, isBootstrap: configuration.isBootstrap, joinedChannels: joined,
      storageDirectory: configuration.storageDirectory)
  }

  var status: NodeStatus {
    NodeStatus(
      label: configuration.label, listening: listening.map { "port \($0.port)" } ?? "",
      uptime: Int((loop.now - startedAt).components.seconds),
      peers: core.activePeers.map { peer in
        NodeStatus.Peer(
          node: peer.node, label: peer.label, address: peer.remote?.description ?? "", isBootstrap: peer.isBootstrap,
          clockOffset: peer.clockOffset, badAnswers: peer.badAnswers)
      })
  }

  // MARK: Storing

  func note(_ receipt: StoreReceipt) -> StoreReply {
    counters.filesStored.add()
    return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
  }

  func storeFile(at path: String) async throws(KacheryError) -> StoreReply {
    guard path.begins(with: "/") else {
      throw KacheryError(
        .badRequest, "The path '\(path)' is not absolute; the daemon does not know where the client stands.")
    }
    return note(try await loop.onPool { [store] () throws(KacheryError) in try store.store(path: path) })
  }

  func beginUpload() async throws(KacheryError) -> any Upload {
    let writer = try await loop.onPool { [store] () throws(KacheryError) in try store.beginStore() }
    return StoreUpload(node: self, writer: writer)
  }

  fileprivate func finishUpload(_ writer: StoreWriter) async throws(KacheryError) -> StoreReply {
    note(try await loop.onPool { () throws(KacheryError) in try writer.finish() })
  }

  func openFile(_ request: DownloadRequest) async throws(KacheryError) -> any FileBytes {
    let key = request.key
    let file = try await loop.onPool { [store] () throws(KacheryError) in try store.open(key.hash) }
    if let file { return try StoredBytes(file, loop: loop, start: request.start, end: request.end ?? file.size) }
    // A chunk may be here as a part of the file that it was cut from.
    if let chunk = key.chunkOf,
      let parent = try await loop.onPool({ [store] () throws(KacheryError) in try store.open(chunk.parent) }),
      ByteRange(whole: parent.size).contains(chunk.range)
    {
      let end = min(request.end.map { chunk.range.start + $0 } ?? chunk.range.end, chunk.range.end)
      return try StoredBytes(parent, loop: loop, start: chunk.range.start + request.start, end: end)
    }
    throw KacheryError(.notFound, "The file \(key.hash) is not on this node; load it first.")
  }

  // MARK: Finding and loading

  func query(
    _ key: FileKey, node: NodeID? = nil, channel: String? = nil, wantsManifest: Bool = false
  ) throws(KacheryError) -> FileQuery {
    FileQuery(
      key: key, node: node, topic: try channel.map { name throws(KacheryError) in try topic(ofChannel: name) },
      wantsManifest: wantsManifest)
  }

  func newClient() -> UInt64 {
    lastClient += 1
    return lastClient
  }

  func findFile(_ request: FindFileRequest) -> AsyncStream<FoundFile> {
    find(FileQuery(key: request.key), for: request.timeout)
  }

  func find(_ query: FileQuery, for time: Duration) -> AsyncStream<FoundFile> {
    let id = FindID(number: newClient())
    let (stream, continuation) = AsyncStream<FoundFile>.makeStream()
    finds[id] = FindWaiter(key: query.key, continuation: continuation)
    continuation.onTermination = { _ in Task { await self.stopFind(id) } }
    Task {
      let local = try? await loop.onPool { [store] () throws(KacheryError) in try store.find(query.key.hash) }
      if let file = local ?? nil {
        continuation.yield(FoundFile(node: self.id, key: query.key, size: file.size))
      }
      guard finds[id] != nil else { return }
      input { core, now in core.find(id, query, for: time, at: now) }
    }
    return stream
  }

  private func stopFind(_ id: FindID) {
    guard finds.removeValue(forKey: id) != nil else { return }
    core.stopFind(id)
  }

  func tellFound(_ id: FindID, _ source: Source) {
    guard let find = finds[id] else { return }
    let size = find.key.chunkOf.map { source.hash == $0.parent ? $0.range.count : source.file.size } ?? source.file.size
    // What the node says of a manifest goes along: whoever asks may not have known it.
    let isItself = source.hash == find.key.hash && source.offset == 0
    let manifest = find.key.manifest ?? (isItself ? source.file.manifest : nil)
    let key = FileKey(hash: find.key.hash, manifest: manifest, chunkOf: find.key.chunkOf)
    find.continuation.yield(FoundFile(node: source.node, key: key, size: size))
  }

  func loadFile(_ request: LoadRequest) -> AsyncThrowingStream<LoadEvent, any Error> {
    let id = LoadID(number: newClient())
    // A client that takes no progress for hours need not learn of all of it; the end comes last, so it stays.
    let (stream, continuation) = AsyncThrowingStream<LoadEvent, any Error>.makeStream(
      bufferingPolicy: .bufferingNewest(Self.progressKept))
    loads[id] = LoadWaiter(
      hash: request.key.hash, manifest: request.key.manifest,
      progress: { continuation.yield(.progress(loaded: $0, total: $1, node: $2)) },
      waits: request.reportWaiting ? { continuation.yield(.waiting($0)) } : nil,
      end: { outcome in
        switch outcome {
        case .success(let path):
          continuation.yield(.finished(path: path))
          continuation.finish()
        case .failure(let error): continuation.finish(throwing: error)
        }
      })
    continuation.onTermination = { _ in Task { await self.cancelLoad(id) } }
    Task { await beginLoad(id, request) }
    return stream
  }

  private func beginLoad(_ id: LoadID, _ request: LoadRequest) async {
    do throws(KacheryError) {
      let hash = request.key.hash
      if let file = try await loop.onPool({ [store] () throws(KacheryError) in try store.find(hash) }) {
        loads.removeValue(forKey: id)?.end(.success(file.path))
        return
      }
      let query = try self.query(request.key, node: request.node, channel: request.channel)
      guard loads[id] != nil else { return }
      input { core, now in core.load(id, query, at: now) }
    } catch {
      loads.removeValue(forKey: id)?.end(.failure(error))
    }
  }

  func cancelLoad(_ id: LoadID) {
    guard loads.removeValue(forKey: id) != nil else { return }
    input { core, now in core.cancelLoad(id, at: now) }
  }

  func tellProgress(_ id: LoadID, _ loaded: UInt64, _ total: UInt64, _ node: NodeID?) {
    guard let load = loads[id] else { return }
    let isDue = load.toldAt.map { loop.now - $0 >= Self.progressPeriod } ?? true
    let isLast = loaded == total && load.told != total
    guard isDue && load.told != loaded || isLast else { return }
    loads[id]?.toldAt = loop.now
    loads[id]?.told = loaded
    load.progress(loaded, total, node)
  }

  func tellWait(_ id: LoadID, _ node: NodeID, _ others: UInt32?) {
    guard let load = loads[id], let tell = load.waits,
      load.toldWaitAt.map({ loop.now - $0 >= Self.waitPeriod }) ?? true
    else { return }
    loads[id]?.toldWaitAt = loop.now
    tell(BusyNode(node, others: others))
  }

  func finishLoad(_ id: LoadID, _ error: KacheryError?) {
    guard let load = loads.removeValue(forKey: id) else { return }
    if let error {
      counters.loadsFailed.add()
      return load.end(.failure(error))
    }
    counters.loadsFinished.add()
    noteManifest(load.manifest, of: load.hash)
    load.end(.success(store.path(of: load.hash)))
  }

  // MARK: Mutables

  func mutable(_ key: JSONValue) async throws(KacheryError) -> JSONValue? {
    try await loop.onPool { [mutables] () throws(KacheryError) in try mutables.get(key) }
  }

  func setMutable(_ key: JSONValue, _ value: JSONValue, update: Bool) async throws(KacheryError) -> Bool {
    let isSet = try await loop.onPool { [mutables] () throws(KacheryError) in
      try mutables.set(key, value, update: update)
    }
    if isSet, key == JoinedChannel.mutableKey { await join(JoinedChannel.list(from: value)) }
    return isSet
  }

  func deleteMutable(_ key: JSONValue) async throws(KacheryError) {
    _ = try await loop.onPool { [mutables] () throws(KacheryError) in try mutables.delete(key) }
    if key == JoinedChannel.mutableKey { await join([]) }
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

import APIModel
import ContentStore
import EventLoop
import LocalAPI
import Primitives

extension Node {
  private static let maintenancePeriod: Duration = .seconds(60)
  /// Going through a large directory takes seconds, so the limit is kept to once so many bytes have come, or a twentieth
  /// of the limit where that is less.
  private static let growthPerCollection: UInt64 = 1 << 30
  /// Commands without a daemon, and other nodes, store in the directory as well.
  private static let collectionPeriod: Duration = .seconds(3_600)

  /// Completes the index in the background, and looks after the limit from now on.
  func startMaintenance() {
    let cancellation = maintenance.cancellation
    loop.work { [store] in
      Result { () throws(KacheryError) in try store.completeIndex { !cancellation.isCancelled } }
    } then: { result in
      if case .failure(let error) = result { self.log.warning("The stored files cannot be listed: \(error.message)") }
      self.keepToLimit()
    }
    maintenance.timer = loop.after(Self.maintenancePeriod, repeating: Self.maintenancePeriod) {
      self.loop.work { [store = self.store] in
        store.index?.flush()
      } then: {
        self.keepToLimit()
      }
      Task { await self.readLimits() }
    }
  }

  /// The owner has changed something: the channels' documents are fetched again, the mutables are read again, and the limit
  /// is kept, and transfers are limited, as kachery.yaml has it now.
  func reload() {
    Task { await readJoinedChannels() }
    refreshChannels()
    Task { await readLimits() }
    maintenance.lastCollection = nil
    keepToLimit()
  }

  private func keepToLimit() {
    guard !maintenance.isCollecting, !isStopping else { return }
    maintenance.isCollecting = true
    let (last, now) = (maintenance.lastCollection, loop.now)
    loop.work { [store] in
      Result { () throws(KacheryError) in try Self.keepToLimit(of: store, after: last, now) }
    } then: { result in
      self.maintenance.isCollecting = false
      switch result {
      case .success(let collection):
        self.maintenance.lastCollection = collection
        self.maintenance.collectionProblem = nil
      // Of kachery.yaml `readLimits` tells.
      case .failure(let error) where error.code == .badConfiguration: break
      case .failure(let error):
        guard self.maintenance.collectionProblem != error.message else { return }
        self.maintenance.collectionProblem = error.message
        self.log.warning("The storage limit cannot be kept: \(error.message)")
      }
    }
  }

  private static nonisolated func keepToLimit(
    of store: ContentStore, after last: StoreMaintenance.Collection?, _ now: Instant
  ) throws(KacheryError) -> StoreMaintenance.Collection? {
    guard let limit = try store.settings().maximumBytes else { return nil }
    let grown = store.bytesGrown
    if let last, last.limit == limit, now - last.time < collectionPeriod,
      grown - last.grown < min(growthPerCollection, limit / 20)
    {
      return last
    }
    _ = try store.collect()
    return StoreMaintenance.Collection(grown: grown, limit: limit, time: now)
  }

  /// A file came with a manifest, for peers that ask for it without knowing that.
  func noteManifest(_ manifest: ContentHash?, of hash: ContentHash) {
    loop.work { [store] in
      guard let file = try? store.find(hash) else { return }
      store.noteManifest(manifest, of: hash, size: file.size)
    } then: {
    }
  }

  // MARK: What clients ask for

  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply {
    note(
      try await loop.onPool { [store] () throws(KacheryError) in
        try store.link(path: request.path) { size, modified in
          size == request.size && abs(modified - request.modified) <= 0.002
        }
      })
  }

  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store] () throws(KacheryError) in try store.page(after: last) }
  }

  func storeUsage() async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store] () throws(KacheryError) in try store.usage().json }
  }

  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store] () throws(KacheryError) in store.removeAll(hashes) }
  }

  func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store] () throws(KacheryError) in try store.setPinned(isPinned, hashes) }
  }

  func collectStore(emptyingTrash: Bool, removingDamaged: Bool) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store] () throws(KacheryError) in
      try store.collect(emptyingTrash: emptyingTrash, removingDamaged: removingDamaged)
    }
  }

  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error> {
    maintenance.check.begin(store, only: only, loop: loop, cancellation: maintenance.cancellation)
  }
}

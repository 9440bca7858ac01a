import APIModel
import ContentStore
import EventLoop
import LocalAPI
import Primitives
import Synchronization

/// What the node does for its storage directory by itself.
struct StoreUpkeep {
  /// False once the node stops: whoever goes through the whole directory looks here now and then.
  final class Flag: Sendable {
    private let value = Atomic<Bool>(true)

    func clear() { value.store(false, ordering: .relaxed) }

    var isSet: Bool { value.load(ordering: .relaxed) }
  }

  let isWanted = Flag()
  let check = StoreCheck()
  var timer: Timer?
  /// What had come into the store when the limit was last kept to.
  var grownAtCollection: UInt64?
  var isCollecting = false
}

extension Node {
  private static let upkeepPeriod: Duration = .seconds(60)
  /// Bytes that may come before it is seen again whether the limit is kept to: going through a large directory takes
  /// seconds.
  private static let growthPerCollection: UInt64 = 1 << 30

  /// Completes the index in the background, and looks after the limit from now on.
  func startUpkeep() {
    let flag = upkeep.isWanted
    loop.work({ [store] in Result { () throws(KacheryError) in try store.completeIndex { flag.isSet } } }) { result in
      if case .failure(let error) = result { self.log.warning("The stored files cannot be listed: \(error.message)") }
      self.keepToLimit()
    }
    upkeep.timer = loop.after(Self.upkeepPeriod, repeating: Self.upkeepPeriod) {
      self.loop.work({ [store = self.store] in store.index?.flush() }) { self.keepToLimit() }
    }
  }

  private func keepToLimit() {
    let grown = store.bytesGrown
    let isDue = upkeep.grownAtCollection.map { grown - $0 >= Self.growthPerCollection } ?? true
    guard isDue, !upkeep.isCollecting, !isStopping else { return }
    upkeep.isCollecting = true
    loop.work({ [store] in
      Result { () throws(KacheryError) in
        guard try store.settings().maximumBytes != nil else { return }
        _ = try store.collect()
      }
    }) { result in
      self.upkeep.isCollecting = false
      self.upkeep.grownAtCollection = grown
      if case .failure(let error) = result { self.log.warning("The storage limit cannot be kept: \(error.message)") }
    }
  }

  /// A file came with a manifest, for peers that ask for it without knowing that.
  func noteManifest(_ manifest: ContentHash?, of hash: ContentHash) {
    loop.work({ [store] in
      guard let file = try? store.find(hash) else { return }
      store.noteManifest(manifest, of: hash, size: file.size)
    }) {}
  }

  // MARK: What clients ask for

  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply {
    note(
      try await onPool { [store] () throws(KacheryError) in
        try store.link(path: request.path) { size, modified in
          size == request.size && abs(modified - request.modified) <= 0.002
        }
      })
  }

  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue {
    try await onPool { [store] () throws(KacheryError) in try store.page(after: last) }
  }

  func storeUsage() async throws(KacheryError) -> JSONValue {
    try await onPool { [store] () throws(KacheryError) in try store.usage().json }
  }

  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await onPool { [store] () throws(KacheryError) in store.removeAll(hashes) }
  }

  func setPinned(_ isPinned: Bool, _ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await onPool { [store] () throws(KacheryError) in try store.setPinned(isPinned, hashes) }
  }

  func collectStore(emptyingTrash: Bool, removingDamaged: Bool) async throws(KacheryError) -> JSONValue {
    try await onPool { [store] () throws(KacheryError) in
      try store.collect(emptyingTrash: emptyingTrash, removingDamaged: removingDamaged)
    }
  }

  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error> {
    upkeep.check.begin(store, only: only, loop: loop, isWanted: upkeep.isWanted)
  }
}

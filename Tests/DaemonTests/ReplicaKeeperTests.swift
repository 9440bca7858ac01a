import ContentStore
import Crypto
import EventLoop
import NodeCore
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// `ReplicaKeeper`: which copies the owner's limit allows, and what is remembered of them.
@Suite(.timeLimit(.minutes(1))) struct ReplicaKeeperTests {
  private actor Keeping {
    let loop: EventLoop
    let store: ContentStore
    let folder: TemporaryFolder
    private let driver: CoreDriver
    private let requests: FileRequests
    private var keeper: ReplicaKeeper
    private var lastID: UInt32 = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      folder = try TemporaryFolder()
      loop = try EventLoop(name: "keeper")
      store = try ContentStore(directory: folder.path("store"), log: .disabled)
      let key = try SigningKey.generate()
      driver = CoreDriver(key: key, loop: loop)
      requests = FileRequests(store, driver: driver, loop: loop, metrics: NodeMetrics(), node: key.publicKey)
      keeper = ReplicaKeeper(
        store, requests: requests, folder: folder.path, loop: loop, log: .disabled)
    }

    /// No channel is joined, so no node has any file.
    func begin() {
      driver.onEffect = { effect in
        if case .failed(let load, let error) = effect { self.requests.failed(load, error) }
      }
      driver.input { $0.setChannels([], at: $1) }
    }

    func storeFile(_ bytes: [UInt8]) throws -> ContentHash {
      try store.store(path: try folder.write("file", bytes)).hash
    }

    /// The daemon starts again.
    func restart(limit: UInt64) {
      keeper = ReplicaKeeper(
        store, requests: requests, folder: folder.path, loop: loop, log: .disabled)
      keeper.limit = limit
    }

    /// Asks for a copy; returns the answers.
    func keep(_ hash: ContentHash, size: UInt64) async -> [String] {
      lastID += 1
      let order = ReplicaOrder(node: .filled(with: 9), id: lastID, hash: hash, size: size)
      let (answers, answer) = AsyncStream<String>.makeStream()
      keeper.onAnswer = { answered, state, _ in
        guard answered == order else { return }
        answer.yield("\(state)")
        if state != .loading { answer.finish() }
      }
      keeper.keep(order)
      var told: [String] = []
      for await text in answers { told.append(text) }
      return told
    }

    func shutdown() async {
      await loop.shutdown()
      folder.remove()
    }
  }

  private func withKeeping(_ body: (Keeping) async throws -> Void) async throws {
    let keeping = try Keeping()
    await keeping.begin()
    do { try await body(keeping) } catch {
      await keeping.shutdown()
      throw error
    }
    await keeping.shutdown()
  }

  @Test func nothingIsKeptUnlessTheOwnerAllowsIt() async throws {
    try await withKeeping { keeping in
      let hash = try await keeping.storeFile([1, 2, 3])
      #expect(await keeping.keep(hash, size: 3) == ["off"])
      #expect(try !keeping.store.isPinned(hash))
    }
  }

  @Test func aFileThatIsHereIsPinned() async throws {
    try await withKeeping { keeping in
      await keeping.restart(limit: 100)
      let hash = try await keeping.storeFile([1, 2, 3])
      #expect(await keeping.keep(hash, size: 3) == ["loading", "kept"])
      #expect(try keeping.store.isPinned(hash))
    }
  }

  @Test func aFileThatNobodyHasIsNotKept() async throws {
    try await withKeeping { keeping in
      await keeping.restart(limit: 100)
      #expect(await keeping.keep(.of([7]), size: 1) == ["loading", "failed"])
      let isPinned = try keeping.store.isPinned(.of([7]))
      #expect(!isPinned)
    }
  }

  /// The limit is one of all copies together, also of those before a restart, and not of what the owner has removed.
  @Test func theLimitHoldsAcrossRestarts() async throws {
    try await withKeeping { keeping in
      await keeping.restart(limit: 100)
      let first = try await keeping.storeFile([UInt8](repeating: 1, count: 60))
      let second = try await keeping.storeFile([UInt8](repeating: 2, count: 60))
      #expect(await keeping.keep(first, size: 60) == ["loading", "kept"])
      #expect(await keeping.keep(second, size: 60) == ["noRoom"])
      await keeping.restart(limit: 100)
      #expect(await keeping.keep(second, size: 60) == ["noRoom"])
      #expect(await keeping.keep(first, size: 60) == ["loading", "kept"], "it is kept already")
      #expect(await keeping.keep(first, size: .max >> 1) == ["loading", "kept"], "sizes of others do not count")
      try keeping.store.unpin(first)
      _ = try keeping.store.remove(first)
      #expect(await keeping.keep(second, size: 60) == ["loading", "kept"])
    }
  }
}

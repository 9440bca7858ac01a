import ContentStore
import Crypto
import EventLoop
import Files
import Links
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon
@testable import Transfer

/// `Downloads`: the core's requests to the store and to the streams that fetch.
@Suite(.timeLimit(.minutes(1))) struct DownloadsTests {
  private actor Receiver {
    let loop: EventLoop
    let content = PatternBytes.make(100_000)
    let metrics = NodeMetrics()
    private let folder: TemporaryFolder
    private let store: ContentStore
    private let downloads: Downloads
    private let lanes = MemoryLanes()
    private var streams: [MemoryStream] { lanes.streams.map(\.stream) }
    private var windows: [Int] { lanes.streams.map(\.window) }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      folder = try TemporaryFolder()
      loop = try EventLoop(name: "receiving")
      store = try ContentStore(directory: folder.path("store"), log: .disabled)
      let driver = CoreDriver(key: try SigningKey.generate(), loop: loop)
      downloads = Downloads(store, driver: driver, loop: loop, metrics: metrics, rate: nil)
      downloads.proof = { _, _ in .filled(with: 7) }
    }

    private var plan: DownloadPlan { DownloadPlan(hash: .of(content), size: 100_000, stripe: 1 << 20) }

    /// Opens the links; only those with odd numbers are up.
    func link() {
      downloads.lanes = { [lanes] id in id.number % 2 == 1 ? lanes : nil }
    }

    func perform(_ effect: DownloadEffect) { downloads.perform(effect) }
    func prepare(_ number: UInt64) { perform(.prepare(DownloadID(number: number), plan)) }

    /// Fetches the whole file as the piece with this number.
    func fetch(_ number: UInt64, for download: UInt64, over link: UInt64) {
      let source = Source(
        node: .filled(with: 1), topic: .filled(with: 7), hash: plan.hash, file: FindAnswer.File(size: plan.size))
      let fetch = PieceFetch(
        id: FetchID(number: number), piece: plan.pieces[0], source: source, kept: 0, isSpare: false)
      downloads.fetch(fetch, DownloadID(number: download), over: LinkID(number: link))
    }

    /// Announces the whole file.
    func announce(for download: UInt64, over link: UInt64) {
      downloads.willFetch(
        plan.size, DownloadID(number: download), from: .filled(with: 1), over: LinkID(number: link))
    }

    func setPatience(_ patience: Duration) { downloads.patience = patience }

    var laneUsers: Int { lanes.users }

    func answer(on stream: Int) {
      streams[stream].receive(FetchReply(count: UInt64(content.count)).encoded + content)
    }

    var isArriving: Bool { downloads.arriving(plan.hash) != nil }
    var opened: Int { streams.count }
    func isReset(_ stream: Int) -> Bool { streams[stream].isReset }
    var stored: [UInt8]? {
      get throws { try store.find(plan.hash).map { try FileSystem.read($0.path, limit: 1 << 20) } }
    }

    /// Opens a batch from these links; returns the windows of its streams.
    func openBatch(over links: [UInt64], batches: Int) -> [Int] {
      let before = windows.count
      let peers = links.map {
        (peer: AskedPeer(node: .filled(with: UInt8($0)), topic: .filled(with: 7)), LinkID(number: $0))
      }
      let batch = downloads.newBatch { (peers.map { (peer: $0.0, $0.1) }, batches) }
      batch.add([(index: 0, hash: .of([1])), (index: 1, hash: .of([2])), (index: 2, hash: .of([3]))])
      batch.close()
      return Array(windows.dropFirst(before))
    }

    /// Waits, ten seconds at most.
    func until(sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (isolated Receiver) -> Bool)
      async
    {
      let isAsWanted = await eventually { isThere(self) }
      #expect(isAsWanted, sourceLocation: sourceLocation)
    }

    func stop() async {
      for file in downloads.stop() { file.close() }
      await loop.shutdown()
      folder.remove()
    }
  }

  /// An announced transfer holds lanes until its client does, or until it is no longer wanted.
  @Test func anAnnouncedTransferUsesLanes() async throws {
    let receiver = try Receiver()
    await receiver.link()
    await receiver.setPatience(.milliseconds(1))
    await receiver.announce(for: 4, over: 1)
    await receiver.until { $0.laneUsers == 0 }
    await receiver.setPatience(.seconds(600))
    await receiver.announce(for: 1, over: 1)
    await receiver.announce(for: 1, over: 1)
    await receiver.announce(for: 2, over: 1)
    await receiver.announce(for: 3, over: 2)
    #expect(await receiver.laneUsers == 2)
    await receiver.prepare(1)
    await receiver.until { $0.isArriving }
    await receiver.fetch(1, for: 1, over: 1)
    #expect(await receiver.laneUsers == 2)
    await receiver.perform(.discard(DownloadID(number: 1)))
    #expect(await receiver.laneUsers == 1)
    await receiver.perform(.abandon(DownloadID(number: 2), .filled(with: 1)))
    #expect(await receiver.laneUsers == 0)
    await receiver.stop()
  }

  @Test func aFileIsPreparedFetchedAndAdmitted() async throws {
    let receiver = try Receiver()
    await receiver.link()
    await receiver.prepare(1)
    await receiver.until { $0.isArriving }
    await receiver.fetch(1, for: 1, over: 1)
    await receiver.answer(on: 0)
    await receiver.until { $0.metrics.piecesVerified.current == 1 }
    #expect(receiver.metrics.bytesReceived.current == 100_000)
    await receiver.perform(.complete(DownloadID(number: 1)))
    await receiver.perform(.discard(DownloadID(number: 1)))
    await receiver.until { !$0.isArriving }
    await receiver.until { (try? $0.stored) == $0.content }
    // It is stored already, so none of it is received again.
    await receiver.prepare(2)
    await receiver.fetch(2, for: 2, over: 1)
    await receiver.perform(.complete(DownloadID(number: 2)))
    #expect(await receiver.opened == 1)
    await receiver.stop()
  }

  @Test func onlyALinkThatIsUpIsAsked() async throws {
    let receiver = try Receiver()
    await receiver.fetch(1, for: 1, over: 1)
    await receiver.link()
    await receiver.fetch(2, for: 1, over: 1)
    #expect(await receiver.opened == 0, "nothing is prepared")
    await receiver.prepare(1)
    await receiver.until { $0.isArriving }
    await receiver.fetch(3, for: 1, over: 2)
    #expect(await receiver.opened == 0, "the link is gone")
    await receiver.fetch(4, for: 1, over: 3)
    #expect(await receiver.opened == 1)
    await receiver.stop()
    #expect(await receiver.isReset(0))
  }

  @Test func aSourceThatIsGivenUpLosesItsStream() async throws {
    let receiver = try Receiver()
    await receiver.link()
    await receiver.prepare(1)
    await receiver.until { $0.isArriving }
    await receiver.fetch(1, for: 1, over: 1)
    await receiver.perform(.abandon(DownloadID(number: 1), .filled(with: 1)))
    #expect(await receiver.isReset(0))
    await receiver.fetch(2, for: 1, over: 1)
    await receiver.perform(.discard(DownloadID(number: 1)))
    #expect(await receiver.isReset(1))
    await receiver.until { !$0.isArriving }
    #expect(try await receiver.stored == nil)
    await receiver.stop()
  }

  /// All batches share one limit on memory.
  @Test func batchesShareTheirMemory() async throws {
    let receiver = try Receiver()
    await receiver.link()
    #expect(await receiver.openBatch(over: [1, 2], batches: 1) == [16 << 20], "the second link is gone")
    let shared = await receiver.openBatch(over: [1, 3, 5], batches: 4)
    #expect(!shared.isEmpty && shared.allSatisfy { $0 == (64 << 20) / 12 })
    await receiver.stop()
  }
}

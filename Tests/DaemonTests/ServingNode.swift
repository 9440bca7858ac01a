import ContentStore
import EventLoop
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// A store, a scheduler and the streams served from them, on a separate loop.
actor ServingNode {
  static let channel: ChannelProof = .filled(with: 7)

  /// What a stream's peer and its node observe.
  struct Sight: Sendable {
    var written: [UInt8]
    var isReset: Bool
    var isFinished: Bool
    var hasEnded: Bool
    var notices: [AbortNotice]
  }

  private final class Served {
    let stream: MemoryStream
    let server: any ServedStream
    var hasEnded = false
    var notices: [AbortNotice] = []

    init(_ stream: MemoryStream, _ server: any ServedStream) {
      self.stream = stream
      self.server = server
    }
  }

  nonisolated let loop: EventLoop
  let store: ContentStore
  /// Nil once the node has stopped.
  private var folder: TemporaryFolder?
  private let scheduler: UploadScheduler
  private var isMember = true
  private var streams: [Served] = []
  private var turns: [UploadScheduler.Turn] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(turns: Int = 8) throws {
    let folder = try TemporaryFolder()
    self.folder = folder
    loop = try EventLoop(name: "serving")
    store = try ContentStore(directory: folder.path("store"), log: .disabled)
    scheduler = UploadScheduler(capacity: turns, limit: RateLimit(nil), loop: loop)
  }

  /// Ends every stream and removes the files.
  func stop() async {
    for served in streams { served.server.close() }
    streams = []
    turns = []
    await loop.shutdown()
    folder = nil
  }

  /// Stores bytes, and returns their hash and path.
  func store(_ bytes: [UInt8]) throws -> (hash: ContentHash, path: String) {
    let receipt = try store.store(path: try #require(folder).write("file", bytes))
    return (receipt.hash, store.path(of: receipt.hash))
  }

  /// Links a file of the user, and returns its hash and path.
  func link(_ bytes: [UInt8]) throws -> (hash: ContentHash, path: String) {
    let path = try #require(folder).write("linked", bytes)
    return (try store.link(path: path).hash, path)
  }

  func setMember(_ isMember: Bool) { self.isMember = isMember }

  /// Takes every turn of the scheduler, so that nothing is served.
  func takeAllTurns(_ count: Int) {
    for _ in 0..<count { turns.append(scheduler.enter(LinkID(number: 99), for: .of([9]), cost: 1) { _ in }) }
  }

  func endTurns() {
    for turn in turns { turn.end(spent: 0) }
    turns = []
  }

  // MARK: Streams

  /// The streams of others, and the bytes that they hold.
  private var othersHold = (streams: 0, bytes: 0)

  func setOthersHold(streams: Int, bytes: Int) { othersHold = (streams, bytes) }

  /// Opens a stream and returns its number. `room` is the number of bytes accepted before the peer reads.
  func open<Answers: StreamAnswers>(
    _ make: @Sendable (ServedFiles) -> Answers, room: Int = .max, first: [UInt8] = []
  ) -> Int {
    let stream = MemoryStream(room: room)
    let othersHold = othersHold
    let memory = UploadMemory(now: { [loop] in loop.now }, held: { othersHold })
    let files = ServedFiles(
      store: store, metrics: NodeMetrics(), arriving: { _ in nil }, memory: memory,
      barrier: { _ in self.isMember ? nil : .notAuthorized })
    let server = StreamServer(
      link: LinkID(number: 1), stream: stream, answers: make(files), loop: loop, scheduler: scheduler,
      memory: memory)
    let served = Served(stream, server)
    streams.append(served)
    server.start(with: first) { event in
      switch event {
      case .aborts(let notice): served.notices.append(notice)
      case .ended: served.hasEnded = true
      }
    }
    return streams.count - 1
  }

  func send(_ bytes: [UInt8], on number: Int) { streams[number].stream.receive(bytes) }
  func finish(_ number: Int) { streams[number].stream.end(.finished) }
  func lose(_ number: Int) { streams[number].stream.end(.linkClosed) }
  func take(_ number: Int) { streams[number].stream.takeAll() }
  /// Checks whether the peer has stalled, at a time chosen by the test.
  func look(_ number: Int, at time: Duration) {
    streams[number].server.endIfStalled(at: Instant(nanoseconds: 0) + time)
  }

  func see(_ number: Int) -> Sight {
    let served = streams[number]
    return Sight(
      written: served.stream.written, isReset: served.stream.isReset, isFinished: served.stream.isFinished,
      hasEnded: served.hasEnded, notices: served.notices)
  }

  /// Waits, ten seconds at most, until the stream is in the expected state.
  func until(
    _ number: Int, sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (Sight) -> Bool
  ) async -> Sight {
    let isAsWanted = await eventually { isThere(see(number)) }
    let sight = see(number)
    #expect(isAsWanted, "\(sight.written.count) bytes", sourceLocation: sourceLocation)
    return sight
  }
}

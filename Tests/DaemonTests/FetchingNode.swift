import ContentStore
import Crypto
import EventLoop
import Files
import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon
@testable import Transfer

/// A file received over streams whose other ends are controlled by the test, on a separate loop.
actor FetchingNode {
  /// What a stream's peer and the client's owner observe.
  struct Sight: Sendable {
    /// All bytes that the client has written.
    var written: [UInt8] = []
    var consumedBytes = 0
    /// Bytes that the peer has sent.
    var sentBytes = 0
    var isReset = false
    /// Each piece that has ended, by its index in the file, with the outcome.
    var ended: [String] = []
    /// The last reported number of bytes of each piece.
    var received: [UInt64: UInt64] = [:]
  }

  private final class Fetching {
    let lanes = MemoryLanes()
    var client: FetchClient?
    var ended: [String] = []
    var received: [UInt64: UInt64] = [:]
    var decoder = FrameDecoder(limit: WireLimits.frame)
    /// Bytes of the requests that have been answered, after the one that says what the stream is for.
    var readBytes = 1
    var sentBytes = 0

    /// The stream that the client has opened, or an unused one.
    var stream: MemoryStream { lanes.streams.first?.stream ?? unused }
    private let unused = MemoryStream()
  }

  nonisolated let loop: EventLoop
  let content: [UInt8]
  let plan: DownloadPlan
  private let folder: TemporaryFolder
  private let store: ContentStore
  private let incoming: IncomingFile
  private let limiter: RateLimiter
  private var fetching: [Fetching] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// A file of `count` bytes in pieces of `length`, each with its own hash.
  init(bytes count: Int = 3_000_000, pieceOf length: Int = 1_000_000, rate: String? = nil) throws {
    let schedule = try rate.map { try RateSchedule(parsing: $0) }
    folder = try TemporaryFolder()
    loop = try EventLoop(name: "fetching")
    store = try ContentStore(directory: folder.path("store"), log: .disabled)
    let content = PatternBytes.make(count)
    self.content = content
    let hashes = stride(from: 0, to: count, by: length).map {
      ContentHash.of(Array(content[$0..<min($0 + length, count)]))
    }
    let manifest = Manifest(
      size: UInt64(count), hash: .of(content), chunkSize: UInt64(length), chunkHashes: hashes)
    plan = try #require(DownloadPlan(hash: manifest.hash, manifest: manifest, named: .of(manifest.bytes)))
    incoming = try store.beginReceive(plan.hash, size: plan.size, manifest: plan.manifest, chunks: plan.chunks)
    limiter = RateLimiter(RateLimit(schedule), loop: loop)
  }

  func stop() async {
    for each in fetching { each.client?.close() }
    fetching = []
    incoming.close()
    await loop.shutdown()
    folder.remove()
  }

  // MARK: The client

  /// Opens a stream and returns its number.
  func open() -> Int {
    let each = Fetching()
    let ranges = RangeClient(each.lanes, window: 1 << 20, laneWindow: 1 << 20, loop: loop)
    ranges.proof = { _, _ in .filled(with: 7) }
    let client = FetchClient(ranges, window: 1 << 20, incoming: incoming, loop: loop, limiter: limiter)
    client.onProgress = { each.received[$0.number] = $2 }
    client.onOutcome = { each.ended.append("\($0.number) \(Self.name($1))") }
    each.client = client
    fetching.append(each)
    return fetching.count - 1
  }

  private static func name(_ outcome: FetchOutcome) -> String {
    switch outcome {
    case .verified: "verified"
    case .hashMismatch: "mismatch"
    case .refused(let refusal): "refused \(refusal)"
    case .disconnected: "disconnected"
    case .storageFailed(let error): "failed \(error.code)"
    }
  }

  /// Requests the piece at this index, which is also its number.
  func ask(_ place: Int, on number: Int, kept: UInt64 = 0, isSpare: Bool = false) throws {
    let source = Source(
      node: .filled(with: 1), topic: .filled(with: 7), hash: plan.hash, file: FindAnswer.File(size: plan.size))
    let fetch = PieceFetch(
      id: FetchID(number: UInt64(place)), piece: plan.pieces[place], source: source, kept: kept, isSpare: isSpare)
    fetching[number].client?.request(fetch, try #require(fetch.range))
  }

  func close(_ number: Int) { fetching[number].client?.close() }

  // MARK: The peer

  func send(_ bytes: [UInt8], on number: Int) {
    fetching[number].sentBytes += bytes.count
    fetching[number].stream.receive(bytes)
  }

  /// Sends bytes in slices of these lengths, cyclically.
  func send(_ bytes: [UInt8], on number: Int, inSlicesOf lengths: [Int]) {
    var start = 0
    var turn = 0
    while start < bytes.count {
      let end = start + min(lengths[turn % lengths.count], bytes.count - start)
      send(Array(bytes[start..<end]), on: number)
      (start, turn) = (end, turn + 1)
    }
  }

  /// Answers all requests, including those made meanwhile, in slices of these lengths, cyclically.
  func answerAll(on number: Int, inSlicesOf lengths: [Int] = [.max]) throws {
    let each = fetching[number]
    while each.readBytes < each.stream.written.count {
      each.decoder.append(each.stream.written[each.readBytes...])
      each.readBytes = each.stream.written.count
      while let frame = try each.decoder.next() {
        let range = try FetchRequest.decode(frame).range
        send(reply(range), on: number, inSlicesOf: lengths)
      }
    }
  }

  /// A reply that grants this range, with its bytes.
  nonisolated func reply(_ range: ByteRange) -> [UInt8] {
    FetchReply(count: range.count).encoded + content[Int(range.start)..<Int(range.end)]
  }

  /// The node of this source is reached over no link anymore.
  func loseLinks(_ number: Int) async {
    fetching[number].lanes.lose()
    await withCheckedContinuation { continuation in _ = loop.after(.milliseconds(1)) { continuation.resume() } }
  }

  func end(_ number: Int, _ end: LinkStreamEnd) { fetching[number].stream.end(end) }

  /// A reply that grants the piece at this index, with its bytes from `kept` on.
  nonisolated func reply(_ place: Int, kept: Int = 0) -> [UInt8] {
    reply(plan.pieces[place].range.dropFirst(UInt64(kept)))
  }

  // MARK: Results

  func see(_ number: Int) -> Sight {
    let each = fetching[number]
    return Sight(
      written: each.stream.written, consumedBytes: each.stream.consumedBytes,
      sentBytes: each.sentBytes, isReset: each.stream.isReset,
      ended: each.ended, received: each.received)
  }

  /// Waits, ten seconds at most, until the stream is in the expected state.
  func until(
    _ number: Int, sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (Sight) -> Bool
  ) async -> Sight {
    let isAsWanted = await eventually { isThere(see(number)) }
    let sight = see(number)
    #expect(isAsWanted, "\(sight.ended), \(sight.received)", sourceLocation: sourceLocation)
    return sight
  }

  /// The stored bytes of the file, after every piece has arrived.
  func finish() async throws -> [UInt8] {
    let incoming = incoming
    let path = try await loop.onPool { () throws(KacheryError) in try incoming.finish().path }
    return try FileSystem.read(path, limit: 1 << 28)
  }
}

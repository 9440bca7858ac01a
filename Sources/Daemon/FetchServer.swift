import ContentStore
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// Answers one peer's fetch stream: requests in order, each with the bytes themselves, block by block as fast as the
/// peer takes them. Bound to the loop.
final class FetchServer {
  /// Requests that may wait on one stream; a peer needs only a few ahead.
  private static let maximumWaiting = 64
  /// Bytes of the longest request.
  private static let frameLimit = 256

  /// The link that carries the stream.
  let link: LinkID
  /// Why the peer is not served over this topic, asked again before every block; nil where it is.
  private let barrier: (Topic) -> Refusal?
  /// The file with this hash while it is being loaded here.
  private let arriving: (ContentHash) -> IncomingFile?
  private let store: ContentStore
  private let loop: EventLoop
  private let stream: LinkStream
  private let metrics: NodeMetrics
  private let gate: UploadGate
  private var decoder = FrameDecoder(limit: FetchServer.frameLimit)
  private var waiting: [FetchRequest] = []
  private var isServing = false
  private var hasEnded = false
  private var hasFinishedAsking = false
  private var isSendingBytes = false
  private var gone: (() -> Void)?
  private var writable: CheckedContinuation<Void, Never>?
  private var reader: StoredFileReader?
  /// The block that the pool has read ahead.
  private var ahead: Result<[UInt8], KacheryError>?
  private var aheadWaiter: CheckedContinuation<Void, Never>?
  /// The turn in which the next block is, or will be, read.
  private var turn: UploadGate.Turn?
  private var readAhead = ReadAhead()

  init(
    link: LinkID, stream: LinkStream, store: ContentStore, loop: EventLoop, metrics: NodeMetrics,
    gate: UploadGate, arriving: @escaping (ContentHash) -> IncomingFile?,
    barrier: @escaping (Topic) -> Refusal?
  ) {
    self.link = link
    self.stream = stream
    self.store = store
    self.loop = loop
    self.metrics = metrics
    self.gate = gate
    self.arriving = arriving
    self.barrier = barrier
  }

  /// Begins to answer. `serve` has the node call `serveWaiting`; `gone` tells it that the stream has ended.
  func start(with first: [UInt8], serve: @escaping () -> Void, gone: @escaping () -> Void) {
    self.gone = gone
    stream.onData = { bytes in
      self.stream.consumed(bytes.count)
      self.receive(Array(bytes), serve)
    }
    stream.onEnd = { end in
      self.hasFinishedAsking = true
      if end != .finished { self.end() } else if !self.isServing { self.finish() }
    }
    stream.onWritable = { self.wake() }
    receive(first, serve)
  }

  private func receive(_ bytes: [UInt8], _ serve: () -> Void) {
    decoder.append(bytes)
    do throws(WireError) {
      while let frame = try decoder.next() { waiting.append(try FetchRequest.decode(frame)) }
    } catch {
      return end()
    }
    guard waiting.count <= Self.maximumWaiting else { return end() }
    guard !isServing, !waiting.isEmpty else { return }
    isServing = true
    serve()
  }

  private func end() {
    guard !hasEnded else { return }
    hasEnded = true
    waiting = []
    stream.reset()
    wake()
    if turn?.withdraw() == true { blockRead(.failure(KacheryError(.cancelled, "The peer is gone."))) }
    gone?()
    gone = nil
  }

  /// The peer asks for nothing more and has been given everything.
  private func finish() {
    hasEnded = true
    stream.finish()
    gone?()
    gone = nil
  }

  private func wake() {
    let continuation = writable
    writable = nil
    continuation?.resume()
  }

  /// Serves what waits, until nothing does.
  func serveWaiting() async {
    while !hasEnded, !waiting.isEmpty {
      let request = waiting.removeFirst()
      await serve(request)
    }
    isServing = false
    reader = nil
    if hasFinishedAsking, !hasEnded { finish() }
  }

  private func serve(_ request: FetchRequest) async {
    if let refusal = barrier(request.topic) { return refuse(refusal) }
    do {
      guard let file = try await open(request) else { return refuse(await absence(of: request.hash)) }
      guard ByteRange(whole: file.size).contains(request.range) else { return refuse(.outOfRange) }
      metrics.requestsServed.add()
      stream.write(FetchReply(count: request.range.count).encoded)
      try await send(request, of: file)
    } catch {
      // Before the head has gone out this is a refusal; after it only the end of the stream tells that bytes are missing.
      if isSendingBytes { end() } else { refuse((error as? KacheryError).map { Refusal($0) } ?? .unreadable) }
    }
  }

  private func refuse(_ refusal: Refusal) {
    metrics.requestsRefused.add()
    stream.write(FetchReply(refusal).encoded)
  }

  private func absence(of hash: ContentHash) async -> Refusal {
    (try? await loop.onPool { [store] in Refusal(absence: hash, in: store) }) ?? .notHere
  }

  private func open(_ request: FetchRequest) async throws -> StoredFileReader? {
    if let reader, reader.hash == request.hash { return reader }
    let arriving = arriving(request.hash)
    let found = try await loop.onPool { [store] in try Self.open(request, in: store, arriving) }
    // What is there of a file that is still arriving says nothing of the next request.
    reader = found.isWhole ? found.file : nil
    readAhead = ReadAhead()
    return found.file
  }

  private static func open(
    _ request: FetchRequest, in store: ContentStore, _ arriving: IncomingFile?
  ) throws(KacheryError) -> (file: StoredFileReader?, isWhole: Bool) {
    if let whole = try store.open(request.hash) { return (whole, true) }
    guard let arriving else { return (nil, true) }
    if let part = try arriving.openShared(request.range) { return (part, false) }
    // It may have been admitted in between.
    return (try store.open(request.hash), true)
  }

  private func send(_ request: FetchRequest, of file: StoredFileReader) async throws {
    isSendingBytes = true
    defer { isSendingBytes = false }
    var offset = request.range.start
    let end = request.range.end
    guard offset < end else { return }
    startReading(file, offset, end)
    var block = try await blockAhead()
    while true {
      // Membership may be withdrawn while a large file is on its way.
      guard barrier(request.topic) == nil, !hasEnded else { return self.end() }
      offset += UInt64(block.count)
      metrics.bytesSent.add(block.count)
      guard offset < end else { return stream.write(block) }
      // The next block is read while this one is encrypted and sent.
      startReading(file, offset, end)
      stream.write(block)
      while !stream.isWritable, !hasEnded { await withCheckedContinuation { writable = $0 } }
      block = try await blockAhead()
    }
  }

  /// Reads the next block; `blockAhead` gives it. What memory holds is read here and now: to hand it to the pool and back
  /// costs more than to copy it. For the rest callbacks in place of tasks: a task for every block would cost more than the
  /// block's own system calls.
  private func startReading(_ file: StoredFileReader, _ offset: UInt64, _ end: UInt64) {
    let count = Int(min(UInt64(Limits.blockSize), end - offset))
    guard let range = ByteRange(start: offset, end: offset + UInt64(count)) else { return }
    if let next = readAhead.next(needing: range, before: wantedEnd(of: file.hash, from: end)) {
      loop.work({ file.startReading(next) }) {}
    }
    let entered = gate.enter(link, for: file.hash, cost: count) { turn in
      if let block = file.cachedBytes(range) {
        turn.end(spent: count)
        return self.blockRead(.success(block))
      }
      self.loop.work({ Result { () throws(KacheryError) in try file.bytes(range) } }) { block in
        turn.end(spent: count)
        self.blockRead(block)
      }
    }
    if ahead == nil { turn = entered }
  }

  /// Where the bytes of the file end that are asked for from `end` on.
  private func wantedEnd(of hash: ContentHash, from end: UInt64) -> UInt64 {
    waiting.reduce(end) { $1.hash == hash && $1.range.start == $0 ? $1.range.end : $0 }
  }

  private func blockRead(_ block: Result<[UInt8], KacheryError>) {
    turn = nil
    ahead = block
    let waiting = aheadWaiter
    aheadWaiter = nil
    waiting?.resume()
  }

  private func blockAhead() async throws -> [UInt8] {
    while ahead == nil { await withCheckedContinuation { aheadWaiter = $0 } }
    defer { ahead = nil }
    return try ahead?.get() ?? []
  }
}

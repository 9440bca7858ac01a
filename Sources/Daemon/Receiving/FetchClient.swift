import ContentStore
import EventLoop
import Links
import Primitives
import Transfer
import Wire

/// Fetches pieces of one download from one node: bytes are passed in blocks from the node to their place in the partial
/// file, and count against the window until they are written. Bound to the loop.
final class FetchClient {
  /// A piece that is arriving.
  private final class Arrival {
    let fetch: FetchID
    let piece: Piece
    let chunk: IncomingChunk
    /// Bytes collected in blocks, including those that an earlier fetch left.
    var collected: UInt64
    /// Bytes written and hashed, including those that an earlier fetch left.
    var kept: UInt64

    init(_ expected: PieceFetch, _ chunk: IncomingChunk) {
      fetch = expected.id
      piece = expected.piece
      collected = expected.kept
      kept = expected.kept
      self.chunk = chunk
    }
  }

  /// How far ahead of the writes the node may send; without lanes, the most memory used.
  let window: Int
  /// Called when bytes of a piece have been written, with their number and the piece's total so far.
  var onProgress: ((FetchID, _ count: Int, _ received: UInt64) -> Void)?
  /// Called when the node could send more than was requested from it.
  var onRoom: (() -> Void)?
  /// A piece has been verified, or has failed; after a failure nothing more is reported.
  var onOutcome: ((FetchID, FetchOutcome) -> Void)?

  private let ranges: RangeClient
  private let incoming: IncomingFile
  private let limiter: RateLimiter
  /// Blocks are written and hashed beside each other, each in order.
  private let writing: SerialPoolQueue
  private let hashing: SerialPoolQueue
  private var blocks = WriteBufferPool()
  /// Requested pieces that have not started to arrive, in the order in which they will.
  private var expected: [PieceFetch] = []
  /// Pieces that have partly or wholly arrived but are not verified, in order; the last may still be arriving.
  private var arrivals: [Arrival] = []
  private var isArriving = false
  private var block: WriteBuffer?
  private var blockBegan = Instant(nanoseconds: 0)
  private let loop: EventLoop
  private var isClosed = false

  /// - Parameters:
  ///   - ranges: a new client.
  ///   - window: how far ahead of the writes the node may send on it.
  init(_ ranges: RangeClient, window: Int, incoming: IncomingFile, loop: EventLoop, limiter: RateLimiter) {
    self.ranges = ranges
    self.window = window
    self.incoming = incoming
    self.limiter = limiter
    self.loop = loop
    writing = SerialPoolQueue(loop: loop)
    hashing = SerialPoolQueue(loop: loop)
    ranges.left = { [incoming] in incoming.size - min(incoming.size, incoming.arrivedBytes) }
    ranges.onEvent = { [weak self] in self?.receive($0) }
    ranges.onRoom = { [weak self] in self?.onRoom?() }
    ranges.onEnd = { [weak self] in self?.rangesEnded() }
  }

  /// Requests a piece, or the rest of one, as this range of the source's file.
  func request(_ fetch: PieceFetch, _ range: ByteRange) {
    guard !isClosed else { return }
    expected.append(fetch)
    ranges.request(range, of: fetch.source.hash, over: fetch.source.topic)
  }

  /// Abandons every piece that is not verified. Idempotent.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    onProgress = nil
    onOutcome = nil
    onRoom = nil
    ranges.close()
    writing.close()
    hashing.close()
    for arrival in arrivals { arrival.chunk.abandon() }
    arrivals = []
  }

  /// Ends the client, and reports the outcome of a piece, by default the first that is not verified.
  private func fail(_ outcome: FetchOutcome, of arrival: Arrival? = nil) {
    guard !isClosed else { return }
    let tell = onOutcome
    let arrived = arrivals
    guard let fetch = arrival?.fetch ?? arrived.first?.fetch ?? expected.first?.id else { return close() }
    close()
    // Earlier pieces may be part of the file by now without the loop knowing it.
    for earlier in arrived where earlier.fetch != fetch && earlier.chunk.isAccepted { tell?(earlier.fetch, .verified) }
    tell?(fetch, arrival?.chunk.isAccepted == true ? .verified : outcome)
  }

  private func rangesEnded() {
    guard arrivals.isEmpty, expected.isEmpty else { return fail(.disconnected) }
    close()
  }

  // MARK: Receiving

  private func receive(_ event: RangeClient.Event) {
    switch event {
    case .began: begin()
    case .bytes(let slice): collect(slice)
    case .ended: endPiece()
    case .refused(let refusal): fail(.refused(refusal))
    case .wrongCount: fail(.hashMismatch)
    }
  }

  private func begin() {
    guard let next = expected.first else { return fail(.disconnected) }
    do throws(KacheryError) {
      let range = next.piece.range
      let chunk =
        next.isSpare
        ? try incoming.beginSpareChunk(range, expected: next.piece.hash)
        : try incoming.beginChunk(range, expected: next.piece.hash, after: next.kept)
      arrivals.append(Arrival(next, chunk))
      expected.removeFirst()
      isArriving = true
    } catch {
      fail(Self.outcome(of: error))
    }
  }

  private func collect(_ slice: UnsafeRawBufferPointer) {
    guard isArriving, let arrival = arrivals.last else { return }
    var rest = slice[...]
    while !rest.isEmpty {
      let block = self.block ?? beginBlock()
      let place = arrival.piece.range.start + arrival.collected
      let taken = block.fill(rest, upTo: block.count + Self.bytesToBoundary(from: place))
      arrival.collected += UInt64(taken)
      rest = rest.dropFirst(taken)
      let isAtBoundary = (place + UInt64(taken)).isMultiple(of: UInt64(Limits.blockSize))
      if isAtBoundary, block.count > WriteBuffer.capacity - Limits.blockSize || loop.now - blockBegan > Self.collecting
      {
        keep(arrival)
      }
    }
  }

  /// How long to collect bytes before writing a partial block: waiting longer gains nothing if they arrive slowly.
  private static let collecting: Duration = .milliseconds(10)

  private func beginBlock() -> WriteBuffer {
    let block = blocks.take()
    self.block = block
    blockBegan = loop.now
    return block
  }

  /// Blocks end at multiples of `Limits.blockSize` in the file: the page cache then takes each without cutting a page.
  private static func bytesToBoundary(from place: UInt64) -> Int {
    Limits.blockSize - Int(place % UInt64(Limits.blockSize))
  }

  private func endPiece() {
    guard isArriving, let arrival = arrivals.last else { return }
    keep(arrival)
    isArriving = false
    let chunk = arrival.chunk
    hashing.add { () throws(KacheryError) in
      try chunk.endDigest()
    } then: { outcome in
      guard self.shouldContinue(outcome, arrival) else { return }
      self.writing.add { () throws(KacheryError) in
        try chunk.accept()
      } then: { outcome in
        if self.shouldContinue(outcome, arrival) { self.verified(arrival) }
      }
    }
  }

  // MARK: Writing

  /// Writes and hashes the filled block, and reuses it once both are done.
  private func keep(_ arrival: Arrival) {
    guard let block = block.take() else { return }
    let chunk = arrival.chunk
    var lanesLeft = 2
    let done: (SerialPoolQueue.Outcome) -> Void = { outcome in
      lanesLeft -= 1
      guard self.shouldContinue(outcome, arrival), lanesLeft == 0 else { return }
      self.kept(block, arrival)
    }
    writing.add({ () throws(KacheryError) in try chunk.write(block.bytes) }, then: done)
    hashing.add({ () throws(KacheryError) in try chunk.digest(block.bytes) }, then: done)
  }

  private func kept(_ block: WriteBuffer, _ arrival: Arrival) {
    let count = block.count
    blocks.giveBack(block)
    arrival.kept += UInt64(count)
    limiter.pass(count) { if !self.isClosed { self.ranges.consumed(count) } }
    onProgress?(arrival.fetch, count, arrival.kept)
  }

  private func verified(_ arrival: Arrival) {
    arrivals.removeFirst()
    onOutcome?(arrival.fetch, .verified)
  }

  private func shouldContinue(_ outcome: SerialPoolQueue.Outcome, _ arrival: Arrival) -> Bool {
    guard !isClosed else { return false }
    guard case .failure(let error) = outcome else { return true }
    // If one lane fails a chunk, the other reports `cancelled`, perhaps first; the failing lane reports the reason.
    if error.code != .cancelled { fail(Self.outcome(of: error), of: arrival) }
    return false
  }

  private static func outcome(of error: KacheryError) -> FetchOutcome {
    switch error.code {
    case .hashMismatch: .hashMismatch
    // The place of a piece that another fetch receives, or has received, is not a disk error.
    case .protocolViolation, .disconnected, .alreadyRunning: .disconnected
    default: .storageFailed(error)
    }
  }
}

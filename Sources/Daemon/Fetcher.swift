import ContentStore
import EventLoop
import Links
import Primitives
import Transfer
import Wire

/// Fetches pieces of one download from one node over one stream: bytes go in blocks from the stream to their place in
/// the partial file, and count against the stream's window until they are written. Bound to the loop.
final class Fetcher {
  /// What the node may send ahead of what is written: enough for 80 ms at 50 MB/s, and the most memory one stream takes.
  private static let window = 4 << 20

  /// A piece that has been asked for.
  private struct Expected {
    let fetch: FetchID
    let piece: Piece
  }

  /// Work for the writer, in the order in which it came.
  private enum Work {
    case bytes(IncomingChunk, [UInt8], FetchID)
    case end(IncomingChunk, FetchID)
  }

  /// Bytes of a piece have been written: so many now, so many of it in all.
  var onProgress: ((FetchID, _ count: Int, _ received: UInt64) -> Void)?
  /// A piece has been verified, or has failed; after a failure nothing more is reported.
  var onOutcome: ((FetchID, FetchOutcome) -> Void)?

  private let stream: LinkStream
  private let incoming: IncomingFile
  private let loop: EventLoop
  private var decoder = FetchReplyDecoder()
  private var expected: [Expected] = []
  private var chunk: IncomingChunk?
  private var block: [UInt8] = []
  private var work: [Work] = []
  private var isWriting = false
  private var isClosed = false
  private var openChunks: [IncomingChunk] = []

  init(link: Link, incoming: IncomingFile, loop: EventLoop) {
    self.incoming = incoming
    self.loop = loop
    stream = link.openStream(window: Self.window)
    stream.write([StreamKind.fetch.rawValue])
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] _ in self?.streamEnded() }
  }

  /// Asks for a piece.
  func request(_ fetch: FetchID, _ piece: Piece, from source: Source) {
    guard !isClosed,
      let range = ByteRange(start: piece.range.start + source.offset, end: piece.range.end + source.offset)
    else { return }
    expected.append(Expected(fetch: fetch, piece: piece))
    stream.write(FetchRequest(topic: source.topic, hash: source.hash, range: range).encoded)
  }

  /// Gives up every piece that is not verified. May be called again.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    onProgress = nil
    onOutcome = nil
    stream.reset()
    work = []
    for chunk in openChunks { chunk.abandon() }
    openChunks = []
    chunk = nil
  }

  private func fail(_ outcome: FetchOutcome) {
    guard !isClosed else { return }
    let tell = onOutcome
    let fetch = expected.first?.fetch
    close()
    if let fetch { tell?(fetch, outcome) }
  }

  private func streamEnded() {
    guard expected.isEmpty else { return fail(.disconnected) }
    close()
  }

  // MARK: Receiving

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    var events: [FetchReplyDecoder.Event] = []
    do throws(WireError) {
      try decoder.receive(bytes) { events.append($0) }
    } catch {
      return fail(.disconnected)
    }
    // What is not file bytes will not be written, so its part of the window is given back here.
    var fileBytes = 0
    for event in events where !isClosed {
      switch event {
      case .reply(let reply): begin(reply)
      case .bytes(let slice):
        fileBytes += slice.count
        collect(slice)
      case .end: endPiece()
      }
    }
    if !isClosed, bytes.count > fileBytes { stream.consumed(bytes.count - fileBytes) }
  }

  /// Pieces are asked for and answered in one order; those whose bytes have all come wait only for the writer.
  private var answered = 0

  private func begin(_ reply: FetchReply) {
    guard answered < expected.count else { return fail(.disconnected) }
    let piece = expected[answered].piece
    guard reply.status == .ok else {
      // Pieces before this one may still be on their way to the disk; the first that is not verified carries the blame.
      return fail(.refused(reply.status))
    }
    guard reply.count == piece.range.count else { return fail(.hashMismatch) }
    do throws(KacheryError) {
      let chunk = try incoming.beginChunk(piece.range, expected: piece.hash)
      openChunks.append(chunk)
      self.chunk = chunk
    } catch {
      fail(.storageFailed(error))
    }
  }

  private func collect(_ slice: UnsafeRawBufferPointer) {
    guard let chunk else { return }
    if block.capacity < Limits.blockSize { block.reserveCapacity(Limits.blockSize) }
    block.append(contentsOf: slice)
    if block.count >= Limits.blockSize { hand(over: chunk) }
  }

  private func hand(over chunk: IncomingChunk) {
    guard !block.isEmpty else { return }
    work.append(.bytes(chunk, block, expected[answered].fetch))
    block = []
    write()
  }

  private func endPiece() {
    guard let chunk, answered < expected.count else { return }
    hand(over: chunk)
    work.append(.end(chunk, expected[answered].fetch))
    answered += 1
    self.chunk = nil
    write()
  }

  // MARK: Writing

  /// Hands the next work to the pool; one at a time, so that a piece's bytes are hashed in order.
  private func write() {
    guard !isWriting, !isClosed, !work.isEmpty else { return }
    isWriting = true
    switch work.removeFirst() {
    case .bytes(let chunk, let bytes, let fetch):
      loop.work({
        let result: Result<Void, KacheryError> = bytes.withUnsafeBytes { bytes in
          Result { () throws(KacheryError) in try chunk.append(bytes) }
        }
        return result.map { chunk.received }
      }) { result in
        self.isWriting = false
        self.wrote(bytes.count, fetch, result)
      }
    case .end(let chunk, let fetch):
      loop.work({ Result { () throws(KacheryError) in try chunk.finish() } }) { result in
        self.isWriting = false
        self.finished(chunk, fetch, result)
      }
    }
  }

  private func wrote(_ count: Int, _ fetch: FetchID, _ result: Result<UInt64, KacheryError>) {
    guard !isClosed else { return }
    switch result {
    case .success(let received):
      stream.consumed(count)
      onProgress?(fetch, count, received)
      write()
    case .failure(let error): fail(Self.outcome(of: error))
    }
  }

  private func finished(_ chunk: IncomingChunk, _ fetch: FetchID, _ result: Result<Void, KacheryError>) {
    guard !isClosed else { return }
    switch result {
    case .success:
      openChunks.removeAll { $0 === chunk }
      expected.removeFirst()
      answered -= 1
      onOutcome?(fetch, .verified)
      write()
    case .failure(let error): fail(Self.outcome(of: error))
    }
  }

  private static func outcome(of error: KacheryError) -> FetchOutcome {
    switch error.code {
    case .hashMismatch: .hashMismatch
    case .protocolViolation, .disconnected: .disconnected
    default: .storageFailed(error)
    }
  }
}

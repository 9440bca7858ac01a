import ContentStore
import NodeCore
import Primitives
import Wire

/// The answers on a fetch stream: ranges of files, in blocks.
struct FetchAnswers: StreamAnswers {
  static let frameLimit = 256
  static let isForManyFiles = false
  /// A peer needs only a few requests ahead.
  static let maximumWaiting = 64

  /// One block, or why there is none.
  struct Block: StreamOutput {
    /// The file that the block was read from.
    var file: OpenFile?
    var bytes: Result<[UInt8], Refusal>

    init(_ file: OpenFile, _ bytes: [UInt8]) {
      self.file = file
      self.bytes = .success(bytes)
    }

    init(_ refusal: Refusal) { bytes = .failure(refusal) }

    var bytesRead: Int { (try? bytes.get().count) ?? 0 }
  }

  /// A file that is read for a peer.
  struct OpenFile: Sendable {
    let reader: StoredFileReader
    /// False for a part of a file that is still arriving, which says nothing of the next request.
    let isWhole: Bool
  }

  /// A request whose answer has begun.
  private struct Current {
    let request: FetchRequest
    /// What is not sent.
    var rest: ByteRange
    var hasReplied = false
  }

  private let source: ServedFiles
  private var waiting = Queue<FetchRequest>()
  private var current: Current?
  /// The file of the last block.
  private var file: OpenFile?
  private var readAhead = ReadAhead()

  init(_ source: ServedFiles) { self.source = source }

  var waitingCount: Int { waiting.count }

  mutating func add(_ frame: Frame) throws(WireError) { waiting.append(try FetchRequest.decode(frame)) }

  mutating func next() -> AnswerStep<Block>? {
    if current == nil, let request = waiting.popFirst() {
      if file?.isWhole != true || file?.reader.hash != request.hash {
        file = nil
        readAhead = ReadAhead()
      }
      current = Current(request: request, rest: request.range)
    }
    guard let current else {
      file = nil
      return nil
    }
    let request = current.request
    if let refusal = source.refusal(of: request.hash, over: request.channel) { return .ready(Block(refusal)) }
    return .read(read(current))
  }

  private mutating func read(_ current: Current) -> StreamRead<Block> {
    let request = current.request
    let range = current.rest.prefix(UInt64(source.memory.blockSize))
    let ahead = readAhead.next(needing: range, before: wantedEnd(after: request))
    if let file {
      var read = StreamRead<Block>(hash: request.hash, cost: Int(range.count), work: { Self.block(range, of: file) })
      read.immediately = { file.reader.cachedBytes(range).map { Block(file, $0) } }
      if let ahead { read.prefetch = { file.reader.startReading(ahead) } }
      return read
    }
    let (store, arriving) = (source.store, source.arriving(request.hash))
    return StreamRead<Block>(
      hash: request.hash, cost: Int(range.count),
      work: {
        switch Self.open(request, in: store, arriving) {
        case .failure(let refusal): return Block(refusal)
        case .success(let file):
          guard ByteRange(whole: file.reader.size).contains(request.range) else { return Block(.outOfRange) }
          if let ahead { file.reader.startReading(ahead) }
          return Self.block(range, of: file)
        }
      })
  }

  mutating func finish(_ block: Block) -> StreamAnswer {
    guard var current else { return .bytes([]) }
    let request = current.request
    do throws(Refusal) {
      let bytes = try block.bytes.get()
      // Membership may be withdrawn while a large file is on its way.
      if let refusal = source.refusal(of: request.hash, over: request.channel) { throw refusal }
      file = block.file
      current.rest = current.rest.dropFirst(UInt64(bytes.count))
      let head = current.hasReplied ? [] : [FetchReply(count: request.range.count).encoded]
      if !current.hasReplied { source.metrics.requestsServed.add() }
      source.metrics.bytesSent.add(bytes.count)
      current.hasReplied = true
      self.current = current.rest.isEmpty ? nil : current
      return .bytes(head + [bytes])
    } catch {
      self.current = nil
      file = nil
      source.metrics.requestsRefused.add()
      guard !current.hasReplied else { return .abort(AbortNotice(hash: request.hash, reason: error)) }
      return .bytes([FetchReply(error).encoded])
    }
  }

  /// Where the bytes of the file end that are asked for one after the other, beginning with this request.
  private func wantedEnd(after request: FetchRequest) -> UInt64 {
    waiting.prefix(Self.maximumWaiting).reduce(request.range.end) {
      $1.hash == request.hash && $1.range.start == $0 ? $1.range.end : $0
    }
  }

  private static func block(_ range: ByteRange, of file: OpenFile) -> Block {
    do throws(KacheryError) { return Block(file, try file.reader.bytes(range)) } catch { return Block(Refusal(error)) }
  }

  private static func open(
    _ request: FetchRequest, in store: ContentStore, _ arriving: IncomingFile?
  ) -> Result<OpenFile, Refusal> {
    do throws(KacheryError) {
      if let whole = try store.open(request.hash) { return .success(OpenFile(reader: whole, isWhole: true)) }
      if let part = try arriving?.openShared(request.range) {
        return .success(OpenFile(reader: part, isWhole: false))
      }
      // The file may have been admitted in between.
      if arriving != nil, let whole = try store.open(request.hash) {
        return .success(OpenFile(reader: whole, isWhole: true))
      }
      return .failure(Refusal(absence: request.hash, in: store))
    } catch {
      return .failure(Refusal(error))
    }
  }
}

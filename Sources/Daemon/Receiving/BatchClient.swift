import EventLoop
import Links
import Primitives
import Wire

/// Asks one node for many small files over one stream, and collects each as it arrives. Bound to the loop.
final class BatchClient {
  /// The node's answer for a file.
  enum Reply {
    case bytes([UInt8])
    case refused(Refusal)
  }

  /// Called with the answer for the file with this index.
  var onReply: ((Int, Reply) -> Void)?
  /// Called when any bytes arrive, even part of a file.
  var onBytes: (() -> Void)?
  /// Called when the node will send nothing more on the stream; with true if the link has broken.
  var onEnd: ((_ isLost: Bool) -> Void)?
  /// Whether any bytes have arrived.
  private(set) var hasArrived = false

  private let stream: any ByteStream
  /// This node's proof for the channel.
  private let channel: ChannelProof
  private let limiter: RateLimiter
  private var decoder = FetchReplyDecoder()
  /// Indices of the requested files, in the order in which they will arrive.
  private var expected = Queue<Int>()
  private var arriving: [UInt8] = []
  private var isClosed = false

  /// - Parameter stream: new; its window is what the node may send ahead of what has been put to the disk.
  init(_ stream: any ByteStream, channel: ChannelProof, limiter: RateLimiter) {
    self.stream = stream
    self.channel = channel
    self.limiter = limiter
    stream.write([StreamKind.batch.rawValue])
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] end in self?.fail(isLost: end == .linkClosed) }
  }

  /// The files that were requested and are not answered, in order.
  var unanswered: [Int] { expected.prefix(expected.count) }

  /// Requests files, each with the index by which `onReply` reports it.
  func request(_ files: [(index: Int, hash: ContentHash)]) {
    guard !isClosed, !files.isEmpty else { return }
    expected.append(contentsOf: files.map(\.index))
    stream.write(BatchRequest(channel: channel, hashes: files.map(\.hash)).encoded)
  }

  /// Bytes of files have been put to the disk: the node may send as many more.
  func consumed(_ count: Int) {
    limiter.pass(count) { if !self.isClosed { self.stream.consumed(count) } }
  }

  /// Asks for nothing more. Idempotent.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    onReply = nil
    onBytes = nil
    onEnd = nil
    stream.reset()
  }

  private func fail(isLost: Bool) {
    guard !isClosed else { return }
    let tell = onEnd
    close()
    tell?(isLost)
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    hasArrived = true
    onBytes?()
    // File bytes count against the window until they are on disk.
    var fileBytes = 0
    var hasFailed = false
    do throws(WireError) {
      try decoder.receive(bytes) { event in
        guard !hasFailed, !isClosed else { return }
        switch event {
        case .reply(let reply): hasFailed = !begin(reply)
        case .bytes(let slice):
          fileBytes += slice.count
          arriving += slice
        case .end: finish(.bytes(arriving))
        }
      }
    } catch {
      hasFailed = true
    }
    guard !hasFailed else { return fail(isLost: false) }
    if bytes.count > fileBytes { consumed(bytes.count - fileBytes) }
  }

  /// - Returns: false if the reply does not match the request.
  private func begin(_ reply: FetchReply) -> Bool {
    guard !expected.isEmpty else { return false }
    arriving = []
    if let refusal = reply.refusal {
      finish(.refused(refusal))
      return true
    }
    guard reply.count <= BatchRequest.maximumSize else { return false }
    arriving.reserveCapacity(Int(reply.count))
    return true
  }

  private func finish(_ reply: Reply) {
    arriving = []
    if let index = expected.popFirst() { onReply?(index, reply) }
  }
}

import Mux
import Primitives

/// One stream of a `MuxCarrier`: bytes in both directions, each with its own flow control. Bound to the loop.
final class MuxStream: ByteStream {
  /// When this number of bytes is queued, the stream stops being writable.
  static let queueLimit = 512 << 10

  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?
  var onSent: (() -> Void)?
  private(set) var queuedBytes = 0

  private let id: StreamID
  private weak var carrier: MuxCarrier?
  private var queue = Queue<[UInt8]>()
  /// Bytes of the first block in the queue that have been sent.
  private var queueOffset = 0
  private var finishesAfterQueue = false
  private var hasEnded = false
  private var hasFinished = false
  private var wasFull = false

  init(carrier: MuxCarrier, id: StreamID) {
    self.carrier = carrier
    self.id = id
  }

  var hasQueue: Bool { queuedBytes > 0 || (finishesAfterQueue && !hasFinished) }

  var isWritable: Bool {
    guard let carrier, carrier.acceptsBytes, !finishesAfterQueue else { return false }
    let isFull = queuedBytes >= Self.queueLimit || carrier.isCongested
    if isFull { wasFull = true }
    return !isFull
  }

  func write(_ bytes: [UInt8]) {
    guard let carrier, carrier.acceptsBytes, !finishesAfterQueue, !bytes.isEmpty else { return }
    queue.append(bytes)
    queuedBytes += bytes.count
    carrier.pump(adding: id)
  }

  /// Sends up to `room` bytes of the queue in one frame.
  ///
  /// - Returns: the number of bytes sent. The end of the stream counts as one.
  func sendQueued(upTo room: Int) -> Int {
    guard let first = queue.first else { return sendFinish() ? 1 : 0 }
    let count = min(room, first.count - queueOffset)
    first.withUnsafeBytes { bytes in
      carrier?.send(UnsafeRawBufferPointer(rebasing: bytes[queueOffset..<queueOffset + count]), on: id)
    }
    // Sending may have ended the carrier, and this stream with it.
    guard !queue.isEmpty else { return count }
    queueOffset += count
    queuedBytes -= count
    if queueOffset == first.count {
      queue.removeFirst(1)
      queueOffset = 0
    }
    // The end of the stream may release the closure.
    let tell = onSent
    if queuedBytes == 0 { _ = sendFinish() }
    tell?()
    tellWritable()
    return count
  }

  private func sendFinish() -> Bool {
    guard finishesAfterQueue, !hasFinished, queuedBytes == 0 else { return false }
    hasFinished = true
    carrier?.finish(id)
    if hasEnded { leave() }
    return true
  }

  func tellWritable() {
    guard wasFull, isWritable else { return }
    wasFull = false
    onWritable?()
  }

  func finish() {
    guard !finishesAfterQueue else { return }
    finishesAfterQueue = true
    // The end needs no window: it is sent immediately if nothing waits before it.
    if queuedBytes == 0 { _ = sendFinish() } else { carrier?.pump(adding: id) }
  }

  func reset() {
    forget()
    carrier?.reset(id)
  }

  func consumed(_ count: Int) { carrier?.consumed(count, on: id) }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    // Without a reader the window must not fill up with bytes that are never consumed.
    guard let onData else { return consumed(bytes.count) }
    onData(bytes)
  }

  func finishedByPeer() {
    guard !hasEnded else { return }
    hasEnded = true
    let tell = onEnd
    onEnd = nil
    if hasFinished { leave() }
    tell?(.finished)
  }

  /// Both directions have ended in order.
  private func leave() {
    carrier?.removeStream(id)
    forget()
  }

  func end(_ end: LinkStreamEnd) {
    let tell = hasEnded ? nil : onEnd
    hasEnded = true
    forget()
    tell?(end)
  }

  private func forget() {
    onData = nil
    onEnd = nil
    onWritable = nil
    onSent = nil
    queue.removeAll()
    queueOffset = 0
    queuedBytes = 0
    finishesAfterQueue = true
    hasFinished = true
  }
}

import EventLoop
import Mux
import Primitives

/// How a stream ended.
package enum LinkStreamEnd: Hashable, Sendable {
  /// The other side has sent all it had to send; this side may go on sending.
  case finished
  /// The other side has given the stream up.
  case reset
  /// The link is gone.
  case linkClosed
}

/// One of a link's streams: bytes in both directions, each with its own flow control. Bound to the loop.
package final class LinkStream {
  /// Bytes that a writer may queue before it is told to stop.
  static let queueLimit = 512 << 10

  /// The next bytes. The pointer is good for the call only. Each counts against the window until `consumed`.
  package var onData: ((UnsafeRawBufferPointer) -> Void)?
  /// The end of what the other side sends, exactly once.
  package var onEnd: ((LinkStreamEnd) -> Void)?
  /// There is room again, after `isWritable` was false.
  package var onWritable: (() -> Void)?

  let id: StreamID
  private weak var link: Link?
  private var queue = Queue<[UInt8]>()
  /// Bytes of its first block that have been sent.
  private var queueOffset = 0
  /// Bytes that wait for the window or the link.
  package private(set) var queuedBytes = 0
  private var finishesAfterQueue = false
  private var hasEnded = false
  private var hasFinished = false
  private var wasFull = false

  init(link: Link, id: StreamID) {
    self.link = link
    self.id = id
  }

  /// The link that carries the stream; nil once it is gone.
  package var owner: Link? { link }

  var hasQueue: Bool { queuedBytes > 0 || (finishesAfterQueue && !hasFinished) }

  /// Whether the writer may go on: it should stop where not, and wait for `onWritable`.
  package var isWritable: Bool {
    guard let link else { return false }
    let isFull = queuedBytes >= Self.queueLimit || link.isCongested
    if isFull { wasFull = true }
    return !isFull
  }

  /// Sends bytes, in order, as soon as the window and the link allow.
  package func write(_ bytes: [UInt8]) {
    guard let link, !link.isClosing, !finishesAfterQueue, !bytes.isEmpty else { return }
    queue.append(bytes)
    queuedBytes += bytes.count
    link.pump(adding: id)
  }

  /// Sends up to `room` bytes of the queue in one frame; says how many. The end of the stream counts as one.
  func sendQueued(upTo room: Int) -> Int {
    guard let first = queue.first else { return sendFinish() ? 1 : 0 }
    let count = min(room, first.count - queueOffset)
    first.withUnsafeBytes { bytes in
      link?.send(UnsafeRawBufferPointer(rebasing: bytes[queueOffset..<queueOffset + count]), on: id)
    }
    // Sending may have ended the link, and this stream with it.
    guard !queue.isEmpty else { return count }
    queueOffset += count
    queuedBytes -= count
    if queueOffset == first.count {
      queue.removeFirst(1)
      queueOffset = 0
    }
    if queuedBytes == 0 { _ = sendFinish() }
    tellWritable()
    return count
  }

  private func sendFinish() -> Bool {
    guard finishesAfterQueue, !hasFinished, queuedBytes == 0 else { return false }
    hasFinished = true
    link?.finish(id)
    if hasEnded { link?.removeStream(id) }
    return true
  }

  func tellWritable() {
    guard wasFull, isWritable else { return }
    wasFull = false
    onWritable?()
  }

  /// Says that nothing more will be written. What is queued is sent first.
  package func finish() {
    guard !finishesAfterQueue else { return }
    finishesAfterQueue = true
    // The end needs no window: it goes at once where nothing waits before it.
    if queuedBytes == 0 { _ = sendFinish() } else { link?.pump(adding: id) }
  }

  /// Gives the stream up in both directions. Nothing is called afterwards. Idempotent.
  package func reset() {
    forget()
    link?.reset(id)
  }

  /// Bytes from `onData` have been dealt with: the other side may send as many more.
  package func consumed(_ count: Int) { link?.consumed(count, on: id) }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    guard let onData else {
      // Nobody reads: the window must not fill up with bytes that nobody will take.
      return consumed(bytes.count)
    }
    onData(bytes)
  }

  func finishedByPeer() {
    guard !hasEnded else { return }
    hasEnded = true
    if hasFinished { link?.removeStream(id) }
    let tell = onEnd
    onEnd = nil
    tell?(.finished)
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
    queue.removeAll()
    queueOffset = 0
    queuedBytes = 0
    finishesAfterQueue = true
    hasFinished = true
  }
}

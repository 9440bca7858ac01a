import Primitives
import QUIC

/// One stream of a `QUICCarrier`: bytes in both directions, each with its own flow control. Bound to the loop.
final class QUICStream: ByteStream, GatheredBytes.Receiver {
  /// When this number of bytes is queued, the stream stops being writable.
  static let queueLimit = 512 << 10
  /// What each end may send ahead of what is consumed, before the other end has said more.
  static let firstWindow = 256 << 10

  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?
  var onSent: (() -> Void)?
  /// nil until the peer admits the stream.
  private(set) var id: Int64?
  /// Whether the peer admits no more bytes now.
  private(set) var isBlocked = false

  private let carrier: QUICCarrier
  private var buffer = QUICSendBuffer()
  /// What the peer may send, beyond the first window; negative if its owner admits less.
  private var extraWindow: Int
  /// Whether the peer knows of the stream.
  private var isAnnounced: Bool
  private var finishesAfterQueue = false
  private var end = EndOfSending.open
  private var hasEnded = false
  /// Whether nothing more is sent, in order or not.
  private var isGivenUp = false
  private var isForgotten = false
  private var wasFull = false
  private var hasSent = false

  private enum EndOfSending {
    case open
    /// Sent with the last bytes, which are acknowledged together with it.
    case sentWithBytes
    case sentAlone
    case acknowledged
  }

  /// A stream of the peer.
  init(carrier: QUICCarrier, openedByPeer id: Int64) {
    self.carrier = carrier
    self.id = id
    (extraWindow, isAnnounced) = (0, true)
  }

  /// A stream of this end, on which the peer may send `window` bytes ahead of what is consumed.
  init(carrier: QUICCarrier, window: Int) {
    self.carrier = carrier
    (extraWindow, isAnnounced) = (window - Self.firstWindow, false)
  }

  /// The peer admits the stream.
  func opened(as id: Int64) {
    self.id = id
    guard extraWindow > 0 else { return }
    carrier.extendWindow(of: id, by: extraWindow)
    extraWindow = 0
  }

  // MARK: Sending

  var queuedBytes: Int { buffer.unsentBytes }
  var unacknowledgedBytes: Int { buffer.unacknowledgedBytes }

  private var hasFinished: Bool { end != .open }

  /// Whether there is something to send.
  var hasQueue: Bool {
    !isGivenUp && (queuedBytes > 0 || !isAnnounced || (finishesAfterQueue && !hasFinished))
  }

  /// Whether the peer has everything that was written, and its end.
  var isDelivered: Bool {
    isGivenUp || (!hasQueue && buffer.unacknowledgedBytes == 0 && end != .sentAlone)
  }

  var isWritable: Bool {
    guard carrier.acceptsBytes, !finishesAfterQueue else { return false }
    let isFull = queuedBytes >= Self.queueLimit || carrier.isCongested
    if isFull { wasFull = true }
    return !isFull
  }

  func write(_ bytes: [UInt8]) {
    guard carrier.acceptsBytes, !finishesAfterQueue, !bytes.isEmpty else { return }
    buffer.append(bytes)
    carrier.queued(bytes.count, on: self)
  }

  func finish() {
    guard !finishesAfterQueue else { return }
    finishesAfterQueue = true
    carrier.queued(0, on: self)
  }

  /// What to send next; nil if there is nothing.
  var chunk: QUICChunk? {
    guard let id, hasQueue else { return nil }
    let bytes = buffer.unsent
    return QUICChunk(
      stream: id, bytes: bytes, isLast: finishesAfterQueue && !hasFinished && bytes.count == buffer.unsentBytes)
  }

  /// The first `count` bytes of a chunk are on their way.
  func sent(_ count: Int, of chunk: QUICChunk) {
    isAnnounced = true
    buffer.sent(count)
    hasSent = hasSent || count > 0
    if chunk.isLast, count == chunk.bytes.count { end = count > 0 ? .sentWithBytes : .sentAlone }
  }

  /// The peer has the next `count` bytes, or the end alone.
  func acknowledged(_ count: Int) {
    if count == 0, end == .sentAlone { end = .acknowledged }
    buffer.acknowledged(min(count, buffer.unacknowledgedBytes))
  }

  func block() { isBlocked = true }
  func unblock() { isBlocked = isGivenUp }

  /// Nothing more is sent.
  func giveUp() { (isGivenUp, isBlocked) = (true, true) }

  /// Reports what was sent since the last report. To be called when no packet is being written.
  func reportSent() {
    let tell = hasSent ? onSent : nil
    hasSent = false
    if hasEnded, hasFinished { forget() }
    tell?()
    tellWritable()
  }

  func tellWritable() {
    guard wasFull, isWritable else { return }
    wasFull = false
    onWritable?()
  }

  // MARK: Receiving

  func consumed(_ count: Int) {
    // A window below the first one closes as its bytes are consumed.
    let held = min(count, max(0, -extraWindow))
    extraWindow += held
    if let id { carrier.extendWindow(of: id, by: count - held) } else { extraWindow += count - held }
  }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    guard !isForgotten, !bytes.isEmpty else { return }
    // Without a reader the window must not fill up with bytes that are never consumed.
    guard let onData else { return consumed(bytes.count) }
    onData(bytes)
  }

  func finishedByPeer() {
    guard !hasEnded else { return }
    hasEnded = true
    let tell = onEnd
    onEnd = nil
    if hasFinished { forget() }
    tell?(.finished)
  }

  // MARK: The end

  func reset() {
    let wasForgotten = isForgotten
    forget()
    if !wasForgotten { carrier.reset(self) }
  }

  /// Ends the stream: the peer has reset it, or the link is gone.
  func end(_ end: LinkStreamEnd) {
    let tell = hasEnded ? nil : onEnd
    hasEnded = true
    forget()
    tell?(end)
  }

  /// Neither direction is of use to the owner anymore.
  private func forget() {
    (onData, onEnd, onWritable, onSent) = (nil, nil, nil, nil)
    finishesAfterQueue = true
    guard !isForgotten else { return }
    isForgotten = true
    carrier.forgot(self)
  }
}

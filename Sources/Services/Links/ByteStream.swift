/// Bytes in order, in both directions, with flow control: one stream of a link, or a pair in memory. Bound to the loop.
package protocol ByteStream: AnyObject {
  /// Receives the next bytes. The pointer is valid for the call only. Each byte counts against the window until `consumed`.
  var onData: ((UnsafeRawBufferPointer) -> Void)? { get set }
  /// Called once when the other side stops sending.
  var onEnd: ((LinkStreamEnd) -> Void)? { get set }
  /// Called when there is room again after `isWritable` was false.
  var onWritable: (() -> Void)? { get set }
  /// Called when queued bytes have left, also from inside `write`.
  var onSent: (() -> Void)? { get set }
  /// Whether the writer may go on. If not, it should stop and wait for `onWritable` or `onEnd`.
  var isWritable: Bool { get }
  /// Bytes that were written and have not left yet.
  var queuedBytes: Int { get }

  /// Sends bytes, in order, as soon as the window and the carrier allow.
  func write(_ bytes: [UInt8])
  /// Lets the other side send `count` more bytes. The window grows if they are more than have arrived, and shrinks if they
  /// are fewer.
  func consumed(_ count: Int)
  /// Ends this side's direction after what is queued.
  func finish()
  /// Gives the stream up in both directions. Nothing is called afterwards. Idempotent.
  func reset()
}

/// How a stream ended.
package enum LinkStreamEnd: Hashable, Sendable {
  /// The other side has sent all it had to send; this side may go on sending.
  case finished
  /// The other side has given the stream up.
  case reset
  /// The link is gone.
  case linkClosed
}

/// Opens a stream on which the peer may send `window` bytes ahead of what is consumed. Loop only.
package typealias StreamOpener = (_ window: Int) -> any ByteStream

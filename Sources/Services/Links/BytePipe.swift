import EventLoop
import Primitives

/// Bytes in order, in both directions, with backpressure: what a link runs on. A pipe proves nothing about the other end.
/// Bound to the loop.
///
/// A pipe calls its closures from the loop, never from inside a call to one of its methods. It delivers nothing before the
/// first `resumeReading`.
protocol BytePipe: AnyObject {
  /// Receives the next bytes. The pointer is valid for the call only.
  var onData: ((UnsafeRawBufferPointer) -> Void)? { get set }
  /// Called when everything that had to wait has been taken.
  var onDrain: (() -> Void)? { get set }
  /// The end of the pipe, exactly once unless `close` was called first; nil if the other end closed in order.
  var onEnd: ((KacheryError?) -> Void)? { get set }
  /// Bytes that were written and not yet taken. A writer that ignores this number fills the memory.
  var pendingBytes: Int { get }
  /// What the other end has acknowledged; nil if the pipe does not know.
  var delivery: DeliveryState? { get }
  /// The address of the other end; nil if it has none.
  var remoteEndpoint: Endpoint? { get }
  /// How the bytes get there.
  var passage: Passage { get }

  /// Sends bytes, in order.
  func write(_ bytes: UnsafeRawBufferPointer)
  /// Starts or continues to deliver bytes.
  func resumeReading()
  /// Delivers no more bytes until `resumeReading`: the other end is slowed down.
  func pauseReading()
  /// Tunes the pipe for bulk data over a long way, as far as it can be tuned.
  func preferThroughput()
  /// Tunes the pipe to accept only a few bytes ahead of those that it sends, as far as it can be tuned.
  func limitUnsentBytes()
  /// Closes the pipe immediately and drops what is pending. Nothing is called afterwards. Idempotent.
  func close()
}

extension BytePipe {
  var passage: Passage { .direct }
}

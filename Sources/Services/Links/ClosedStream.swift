import EventLoop

/// A stream of a link that cannot carry it: accepts no bytes, and ends in the next turn of the loop.
final class ClosedStream: ByteStream {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?
  var onSent: (() -> Void)?

  init(loop: EventLoop) {
    _ = loop.after(.zero) { self.onEnd?(.linkClosed) }
  }

  var isWritable: Bool { false }
  var queuedBytes: Int { 0 }

  func write(_ bytes: [UInt8]) {}
  func consumed(_ count: Int) {}
  func finish() {}
  func reset() { onEnd = nil }
}

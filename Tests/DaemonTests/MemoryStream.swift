import Links

/// One end of a stream whose other end is controlled by the test. Bound to its user's loop.
final class MemoryStream: ByteStream {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?
  var onSent: (() -> Void)?

  /// Bytes accepted before the writer must stop.
  var room: Int

  /// All written bytes, including those that the test has not read.
  private(set) var written: [UInt8] = []
  private(set) var consumedBytes = 0
  private(set) var isFinished = false
  private(set) var isReset = false
  /// Whether `written` keeps what the other end has read.
  var keepsTaken = true
  private var taken = 0

  init(room: Int = .max) { self.room = room }

  var queuedBytes: Int { written.count - taken }
  var isWritable: Bool { !isReset && queuedBytes < room }

  func write(_ bytes: [UInt8]) { if !isReset, !isFinished { written += bytes } }
  func consumed(_ count: Int) { consumedBytes += count }
  func finish() { isFinished = true }

  func reset() {
    isReset = true
    (onData, onEnd, onWritable, onSent) = (nil, nil, nil, nil)
  }

  // MARK: The other end

  /// Delivers bytes from the other end.
  func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { onData?($0) } }

  /// Ends the other end's direction.
  func end(_ end: LinkStreamEnd) {
    let tell = onEnd
    onEnd = nil
    tell?(end)
  }

  /// Makes the other end read all written bytes.
  func takeAll() { take(queuedBytes) }

  /// Makes the other end read written bytes, at most `count`.
  func take(_ count: Int) {
    guard !isReset else { return }
    taken += min(count, queuedBytes)
    if !keepsTaken {
      written.removeFirst(taken)
      taken = 0
    }
    onSent?()
    onWritable?()
  }
}

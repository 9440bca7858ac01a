import Links

/// One end of a stream whose other end is the test. Bound to the loop of whoever uses it.
final class MemoryStream: ByteStream {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?

  /// Bytes that fit before the writer is told to stop.
  var room: Int

  /// Everything that has been written, also what the test has not taken.
  private(set) var written: [UInt8] = []
  private(set) var consumedBytes = 0
  private(set) var isFinished = false
  private(set) var isReset = false
  private var taken = 0

  init(room: Int = .max) { self.room = room }

  var queuedBytes: Int { written.count - taken }
  var isWritable: Bool { !isReset && queuedBytes < room }

  func write(_ bytes: [UInt8]) { if !isReset, !isFinished { written += bytes } }
  func consumed(_ count: Int) { consumedBytes += count }
  func finish() { isFinished = true }

  func reset() {
    isReset = true
    (onData, onEnd, onWritable) = (nil, nil, nil)
  }

  // MARK: The other end

  /// The other end sends bytes.
  func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { onData?($0) } }

  /// The other end sends nothing more.
  func end(_ end: LinkStreamEnd) {
    let tell = onEnd
    onEnd = nil
    tell?(end)
  }

  /// The other end takes everything that has been written.
  func takeAll() {
    taken = written.count
    onWritable?()
  }
}

package import EventLoop
import Primitives

/// A stream of a link as the pipe of another link: TLS in TLS. Bound to the loop.
///
/// What is received counts against the stream's window until the pipe delivers it, so a pipe that is not read holds back
/// the other end. What is sent is pending until the stream's carrier has taken it.
package final class StreamPipe: BytePipe {
  /// How long a closed pipe waits for the other end to close as well. What was sent before could otherwise be lost.
  static let lingerTime: Duration = .seconds(2)

  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onDrain: (() -> Void)?
  var onEnd: ((KacheryError?) -> Void)?

  private let loop: EventLoop
  private let stream: any ByteStream
  /// Bytes that wait for the reader.
  private var received: [UInt8]
  /// How many of them, from the front, no longer count against the window.
  private var released: Int
  private var isReading = false
  /// Whether bytes wait to be sent, and their writer for `onDrain`.
  private var isFull = false
  /// Whether a method of the pipe is running, which must not call the closures.
  private var isInCall = false
  private var end: LinkStreamEnd?
  private var isClosed = false
  /// Runs a turn soon.
  private var post: @Sendable (Bool) -> Void = { _ in }

  /// A pipe over this stream, whose other closures it replaces.
  ///
  /// - Parameter first: bytes of the pipe that have already arrived, and no longer count against the window.
  package init(over stream: any ByteStream, first: [UInt8] = [], loop: EventLoop) {
    self.loop = loop
    self.stream = stream
    received = first
    released = first.count
    post = loop.receiver { [weak self] _ in self?.turn() }
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] in self?.ended($0) }
    stream.onSent = { [weak self] in self?.sent() }
    stream.onWritable = nil
  }

  package var pendingBytes: Int { stream.queuedBytes }

  /// Unknown: what the next node acknowledges has not arrived at the other end.
  var delivery: DeliveryState? { nil }

  var remoteEndpoint: Endpoint? { nil }

  func preferThroughput() {}

  func limitUnsentBytes() {}

  // MARK: Receiving

  func resumeReading() {
    guard !isClosed, !isReading else { return }
    isReading = true
    if !received.isEmpty || end != nil { post(true) }
  }

  func pauseReading() { isReading = false }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    guard isReading, received.isEmpty, !isInCall else {
      received += bytes
      return isReading ? post(true) : ()
    }
    onData?(bytes)
    consumed(bytes.count)
  }

  /// The other side sends nothing more. The reader is notified after it has read everything, and never from inside a call.
  private func ended(_ end: LinkStreamEnd) {
    self.end = end
    post(true)
  }

  private func turn() {
    guard !isClosed else { return }
    deliver()
    if isFull, pendingBytes == 0 { sent() }
    guard !isClosed, let end else { return }
    switch end {
    case .finished: if isReading, received.isEmpty { finish(nil) }
    case .reset: finish(KacheryError(.disconnected, "The other side, or the relay, gave up the connection."))
    case .linkClosed: finish(KacheryError(.disconnected, "The link that carried the connection ended."))
    }
  }

  private func deliver() {
    guard isReading, !received.isEmpty else { return }
    let bytes = received
    let unreleased = bytes.count - released
    (received, released) = ([], 0)
    bytes.withUnsafeBytes { onData?($0) }
    consumed(unreleased)
  }

  private func consumed(_ count: Int) {
    guard !isClosed, count > 0 else { return }
    isInCall = true
    stream.consumed(count)
    isInCall = false
  }

  // MARK: Sending

  func write(_ bytes: UnsafeRawBufferPointer) {
    guard !isClosed, !bytes.isEmpty else { return }
    isInCall = true
    stream.write(Array(bytes))
    isInCall = false
    if pendingBytes > 0 { isFull = true }
  }

  private func sent() {
    guard isFull, pendingBytes == 0 else { return }
    guard !isInCall else { return post(true) }
    isFull = false
    onDrain?()
  }

  // MARK: The end

  private func finish(_ error: KacheryError?) {
    let tell = onEnd
    close()
    tell?(error)
  }

  /// Closes the pipe; what is pending is dropped. Nothing is called afterwards. Idempotent.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    (onData, onDrain, onEnd) = (nil, nil, nil)
    (received, released) = ([], 0)
    stream.onSent = nil
    guard end == nil || end == .finished, pendingBytes == 0 else { return stream.reset() }
    linger()
  }

  /// Ends this side in order, so that the other end receives what was sent, and accepts no more than the open window.
  private func linger() {
    let timer = loop.after(Self.lingerTime) { [stream] in stream.reset() }
    stream.onData = { _ in }
    stream.onEnd = { [weak stream] _ in
      timer.cancel()
      stream?.onData = nil
    }
    stream.finish()
    if end != nil { timer.cancel() }
  }
}

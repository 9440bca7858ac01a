import EventLoop
import Primitives
import WebSocket

/// A WebSocket on a pipe, as the pipe of a link: its binary messages carry the bytes. Owns the pipe. Bound to the loop.
final class WebSocketPipe: BytePipe {
  /// The most bytes that may wait for the pipe. Links stop long before; only a side that sends pings and reads no answers
  /// gets this far.
  private static let maximumPending = 8 << 20

  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onDrain: (() -> Void)?
  var onEnd: ((KacheryError?) -> Void)?

  private let loop: EventLoop
  private let pipe: any BytePipe
  private let session: WebSocketSession
  /// Frames that arrived while the reader had paused.
  private var early: [UInt8]
  private var isReading = false
  private var isOver = false

  /// A WebSocket whose opening handshake is complete.
  ///
  /// - Parameter early: the bytes that have arrived after the handshake.
  init(
    over pipe: any BytePipe, _ role: WebSocketSession.Role, early: [UInt8], loop: EventLoop
  ) throws(KacheryError) {
    self.loop = loop
    self.pipe = pipe
    self.early = early
    session = try WebSocketSession(role)
    pipe.onData = { [weak self] in self?.arrived($0) }
    pipe.onDrain = { [weak self] in self?.onDrain?() }
    pipe.onEnd = { [weak self] error in
      self?.end(error ?? KacheryError(.disconnected, "The other side cut the WebSocket."))
    }
  }

  var pendingBytes: Int { pipe.pendingBytes }
  /// Unknown: a server in between may have acknowledged what has not arrived at the other end.
  var delivery: DeliveryState? { nil }
  var remoteEndpoint: Endpoint? { pipe.remoteEndpoint }
  var passage: Passage { .webSocket }

  func resumeReading() {
    guard !isReading, !isOver else { return }
    isReading = true
    guard early.isEmpty else {
      // Never from inside a call.
      _ = loop.after(.zero) { [weak self] in self?.deliverEarly() }
      return
    }
    pipe.resumeReading()
  }

  func pauseReading() {
    isReading = false
    pipe.pauseReading()
  }

  func preferThroughput() { pipe.preferThroughput() }

  func limitUnsentBytes() { pipe.limitUnsentBytes() }

  private func deliverEarly() {
    guard isReading, !isOver else { return }
    let frames = early
    early = []
    frames.withUnsafeBytes { receive($0) }
    if isReading, !isOver { pipe.resumeReading() }
  }

  private func arrived(_ frames: UnsafeRawBufferPointer) {
    guard isReading, early.isEmpty else {
      early += frames
      return
    }
    receive(frames)
  }

  private func receive(_ frames: UnsafeRawBufferPointer) {
    do throws(KacheryError) {
      try session.receive(frames) { onData?($0) }
      guard !isOver else { return }
      flush()
      guard pipe.pendingBytes <= Self.maximumPending else {
        throw KacheryError(.protocolViolation, "The other side reads none of the answers to its pings.")
      }
      if session.isClosedByPeer { end(nil) }
    } catch {
      flush()
      end(error)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    guard !isOver, !bytes.isEmpty else { return }
    session.write(bytes)
    flush()
  }

  private func flush() { session.drainOutput { pipe.write($0) } }

  private func end(_ error: KacheryError?) {
    let tell = onEnd
    close()
    tell?(error)
  }

  func close() {
    guard !isOver else { return }
    isOver = true
    (onData, onDrain, onEnd) = (nil, nil, nil)
    if pipe.pendingBytes == 0 {
      session.close()
      flush()
    }
    pipe.close()
  }
}

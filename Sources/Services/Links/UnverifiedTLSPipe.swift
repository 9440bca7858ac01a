import EventLoop
import Primitives
import TLS

/// TLS with a web server on a pipe, as the pipe of something inside. The server's certificate is not checked: campus
/// networks that look into TLS show their own, and the nodes prove their IDs inside. Owns the pipe. Bound to the loop.
final class UnverifiedTLSPipe: BytePipe {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onDrain: (() -> Void)?
  var onEnd: ((KacheryError?) -> Void)?

  private let pipe: any BytePipe
  private let session: UnverifiedTLSSession
  private let scratch: ScratchBuffer
  /// What was written before the session was established.
  private var waiting: [UInt8] = []
  private var isOver = false

  /// - Parameter scratch: not that of sessions inside this one.
  init(over pipe: any BytePipe, server: String, scratch: ScratchBuffer) throws(KacheryError) {
    self.pipe = pipe
    self.scratch = scratch
    session = try UnverifiedTLSSession(server: server, applicationProtocol: "http/1.1")
    pipe.onData = { [weak self] in self?.receive($0) }
    pipe.onDrain = { [weak self] in self?.onDrain?() }
    pipe.onEnd = { [weak self] in self?.pipeEnded($0) }
    flush()
  }

  var pendingBytes: Int { pipe.pendingBytes + waiting.count }
  /// Unknown: what the server acknowledges has not arrived at the node behind it.
  var delivery: DeliveryState? { nil }
  var remoteEndpoint: Endpoint? { pipe.remoteEndpoint }
  var passage: Passage { pipe.passage }

  func resumeReading() { pipe.resumeReading() }

  func pauseReading() { pipe.pauseReading() }

  func preferThroughput() { pipe.preferThroughput() }

  func limitUnsentBytes() { pipe.limitUnsentBytes() }

  private func receive(_ ciphertext: UnsafeRawBufferPointer) {
    do throws(KacheryError) {
      try session.receive(ciphertext, scratch: scratch.bytes) { onData?($0) }
      if session.isEstablished, !waiting.isEmpty {
        let bytes = waiting
        waiting = []
        try bytes.withUnsafeBytes { bytes in
          Result { () throws(KacheryError) in try session.write(bytes) }
        }.get()
      }
      flush()
      if session.isClosedByPeer { end(nil) }
    } catch {
      flush()
      end(error)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    guard !isOver else { return }
    guard session.isEstablished else {
      waiting += bytes
      return
    }
    // The session fails only if there is no memory; reading then ends it.
    try? session.write(bytes)
    flush()
  }

  private func flush() { session.drainOutput { pipe.write($0) } }

  private func pipeEnded(_ error: KacheryError?) {
    let sentence =
      session.isEstablished
      ? "The server cut the connection."
      : "The server cut the connection during the TLS handshake; check that https:// leads there."
    end(error ?? KacheryError(.disconnected, sentence))
  }

  private func end(_ error: KacheryError?) {
    let tell = onEnd
    close()
    tell?(error)
  }

  func close() {
    isOver = true
    (onData, onDrain, onEnd) = (nil, nil, nil)
    pipe.close()
  }
}

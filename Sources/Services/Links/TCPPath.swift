import EventLoop
import Primitives
import Wire

/// An incoming connection. Its first bytes show its purpose: TLS, the preamble of a round in which two nodes dial each
/// other, or that of a joined lane. Bound to the loop.
final class TCPPath: CarrierHandshake {
  /// How long the other side may take to show the purpose, and a preamble may wait for its round.
  static let time: Duration = .seconds(5)

  let remoteEndpoint: Endpoint?
  /// Whether a round or a joined lane has taken the connection.
  private(set) var isTaken = false

  private let loop: EventLoop
  private let sessions: PipeSessions
  private let onPreamble: (TCPPath) -> Void
  private let onJoin: (TCPPath, JoinPreamble) -> Void
  private var connection: TCPConnection?
  private var session: (any CarrierHandshake)?
  private var done: ((Result<any StreamCarrier, KacheryError>) -> Void)?
  private var deadline: Timer?
  private(set) var received: [UInt8] = []

  /// - Parameters:
  ///   - onPreamble: called when the first bytes claim to be the preamble of a round. The path waits, without reading, for
  ///     a round to take it.
  ///   - onJoin: called when they are the preamble of a joined lane. It takes the path, or the path ends.
  init(
    _ connection: TCPConnection, loop: EventLoop, sessions: PipeSessions, onPreamble: @escaping (TCPPath) -> Void,
    onJoin: @escaping (TCPPath, JoinPreamble) -> Void
  ) {
    self.connection = connection
    self.loop = loop
    self.sessions = sessions
    self.onPreamble = onPreamble
    self.onJoin = onJoin
    remoteEndpoint = connection.remoteEndpoint
  }

  func start(_ done: @escaping (Result<any StreamCarrier, KacheryError>) -> Void) {
    self.done = done
    deadline = loop.after(Self.time) { [weak self] in
      self?.fail(.timedOut, "The other side did not show within \(Self.time.components.seconds) s what it wants.")
    }
    connection?.onData = { [weak self] in self?.receive($0) }
    connection?.onEnd = { [weak self] error in
      self?.fail(.disconnected, error?.message ?? "The other side closed before it had shown what it wants.")
    }
    connection?.resumeReading()
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    received += bytes
    switch received.first {
    case CrossedHello.handshakeRecord: startTLS()
    case PunchPreamble.firstByte: receivePreamble()
    case nil: break
    default: fail(.protocolViolation, "The other side speaks another protocol.")
    }
  }

  private func receivePreamble() {
    switch JoinPreamble.begins(received) {
    case nil: break
    case true?:
      guard received.count >= JoinPreamble.byteCount else { return }
      connection?.pauseReading()
      // Bytes after it could get lost, and its sender has to wait for an answer.
      if let preamble = JoinPreamble.decode(received) { onJoin(self, preamble) }
      fail(.protocolViolation, "The other side wants to join a lane that is not known here.")
    case false?:
      guard received.count >= PunchPreamble.byteCount else { return }
      connection?.pauseReading()
      onPreamble(self)
    }
  }

  private func startTLS() {
    guard let connection, let done else { return }
    deadline?.cancel()
    (self.connection, self.done) = (nil, nil)
    let session = sessions.handshake(over: connection, isDialer: false, expected: nil, received: received)
    self.session = session
    received = []
    session.start(done)
  }

  /// Hands the connection over, with what has been read from it; nil if it is over.
  func take() -> TCPConnection? {
    guard let connection else { return nil }
    (connection.onData, connection.onEnd) = (nil, nil)
    self.connection = nil
    isTaken = true
    fail(.cancelled, "A round of dials, or a joined lane, has taken the connection.")
    return connection
  }

  private func fail(_ code: KacheryError.Code, _ message: String) {
    let tell = done
    cancel()
    tell?(.failure(KacheryError(code, message)))
  }

  func cancel() {
    done = nil
    deadline?.cancel()
    deadline = nil
    connection?.close()
    connection = nil
    session?.cancel()
  }
}

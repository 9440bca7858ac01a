import EventLoop
import Primitives
import Wire

/// An incoming connection. Its first byte shows its purpose: TLS, or the preamble of a round in which two nodes dial each
/// other. Bound to the loop.
final class TCPPath: CarrierHandshake {
  /// How long the other side may take to show the purpose, and a preamble may wait for its round.
  static let time: Duration = .seconds(5)

  let remoteEndpoint: Endpoint?
  /// Whether a round has taken the connection.
  private(set) var isTaken = false

  private let loop: EventLoop
  private let sessions: PipeSessions
  private let onPreamble: (TCPPath) -> Void
  private var connection: TCPConnection?
  private var session: (any CarrierHandshake)?
  private var done: ((Result<any StreamCarrier, KacheryError>) -> Void)?
  private var deadline: Timer?
  private(set) var received: [UInt8] = []

  /// - Parameter onPreamble: called when the first bytes claim to be a preamble. The path waits, without reading, for a
  ///   round to take it.
  init(
    _ connection: TCPConnection, loop: EventLoop, sessions: PipeSessions, onPreamble: @escaping (TCPPath) -> Void
  ) {
    self.connection = connection
    self.loop = loop
    self.sessions = sessions
    self.onPreamble = onPreamble
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
    case PunchPreamble.firstByte where received.count >= PunchPreamble.byteCount:
      connection?.pauseReading()
      onPreamble(self)
    case PunchPreamble.firstByte, nil: break
    default: fail(.protocolViolation, "The other side speaks another protocol.")
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

  /// Hands the connection over, with what has been read from it, to a round; nil if it is over.
  func take() -> TCPConnection? {
    guard let connection else { return nil }
    (connection.onData, connection.onEnd) = (nil, nil)
    self.connection = nil
    isTaken = true
    fail(.cancelled, "A round of dials has taken the connection.")
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

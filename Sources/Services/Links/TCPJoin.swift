import EventLoop
import Primitives
import Wire

/// One end of a joined lane: dials the relay, shows the token, and waits until the other node has done the same. Bound to
/// the loop.
final class TCPJoin: PendingDial {
  /// The connection, and what the other node has sent already.
  typealias Outcome = Result<(TCPConnection, received: [UInt8]), KacheryError>

  private let loop: EventLoop
  private let preamble: JoinPreamble
  private var dial: (any PendingDial)?
  private var connection: TCPConnection?
  private var deadline: Timer?
  private var done: ((Outcome) -> Void)?

  /// - Parameters:
  ///   - timeout: for everything together.
  ///   - done: called once, on the loop, unless `cancel` is called first; never before this returns.
  init(_ preamble: JoinPreamble, loop: EventLoop, timeout: Duration, _ done: @escaping (Outcome) -> Void) {
    self.preamble = preamble
    self.loop = loop
    self.done = done
    deadline = loop.after(timeout) { [weak self] in
      self?.fail(.timedOut, "Within \(timeout.components.seconds) s, the relay did not join the connection.")
    }
  }

  /// Dials the relay; `dial` calls its argument once with the result.
  func start(_ dial: (@escaping (Result<TCPConnection, KacheryError>) -> Void) -> any PendingDial) {
    self.dial = dial { result in
      self.dial = nil
      switch result {
      case .failure(let error): self.end(.failure(error))
      case .success(let connection): self.show(on: connection)
      }
    }
  }

  private func show(on connection: TCPConnection) {
    guard done != nil else { return connection.close() }
    self.connection = connection
    connection.onData = { [weak self] in self?.receive($0) }
    connection.onEnd = { [weak self] error in
      self?.fail(.disconnected, error?.message ?? "The relay closed the connection and did not join it.")
    }
    connection.write(preamble.encoded)
    connection.resumeReading()
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.first == JoinPreamble.accepted, let connection else {
      return fail(.protocolViolation, "The relay gave another answer than that the connection is joined.")
    }
    connection.pauseReading()
    (connection.onData, connection.onEnd) = (nil, nil)
    self.connection = nil
    end(.success((connection, Array(bytes.dropFirst()))))
  }

  private func fail(_ code: KacheryError.Code, _ message: String) {
    end(.failure(KacheryError(code, message)))
  }

  private func end(_ outcome: Outcome) {
    let tell = done
    cancel()
    tell?(outcome)
  }

  func cancel() {
    done = nil
    deadline?.cancel()
    deadline = nil
    dial?.cancel()
    dial = nil
    connection?.close()
    connection = nil
  }
}

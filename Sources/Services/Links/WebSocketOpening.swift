import EventLoop
import Primitives
import WebSocket

/// The opening handshake of a WebSocket on a pipe that is open. Bound to the loop.
final class WebSocketOpening: PendingDial {
  /// The two ends.
  enum Side {
    /// - Parameters:
    ///   - host: the server's name, and its port unless that is the usual one.
    ///   - server: the server, for messages.
    case client(host: String, server: String)
    case server
  }

  /// The host at the other end.
  let remoteHost: String?

  private let loop: EventLoop
  private let pipe: any BytePipe
  private let side: Side
  private var request: WebSocketUpgrade.Request?
  private var head: [UInt8] = []
  private var deadline: Timer?
  private var done: ((Result<WebSocketPipe, KacheryError>) -> Void)?

  /// - Parameter done: called once, unless the opening is cancelled. A pipe that fails is closed.
  init(
    over pipe: any BytePipe, _ side: Side, timeout: Duration, loop: EventLoop,
    _ done: @escaping (Result<WebSocketPipe, KacheryError>) -> Void
  ) {
    self.pipe = pipe
    self.side = side
    self.loop = loop
    self.done = done
    remoteHost = pipe.remoteEndpoint?.host
    // The pipe and the timer keep the opening until it is over.
    deadline = loop.after(timeout) {
      let seconds = timeout.components.seconds
      self.finish(.failure(KacheryError(.timedOut, "Opening the WebSocket took longer than \(seconds) s.")))
    }
    pipe.onData = { self.receive($0) }
    pipe.onEnd = { error in
      self.finish(
        .failure(error ?? KacheryError(.disconnected, "The other side closed before the WebSocket was open.")))
    }
    if case .client(let host, _) = side {
      let request = WebSocketUpgrade.Request(host: host)
      self.request = request
      request.bytes.withUnsafeBytes { pipe.write($0) }
    }
    pipe.resumeReading()
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    guard done != nil else { return }
    let before = max(0, head.count - 3)
    head += bytes
    guard let end = Self.endOfHead(in: head, from: before) else {
      guard head.count <= WebSocketUpgrade.maximumHeadBytes else {
        return finish(.failure(KacheryError(.protocolViolation, "The other side sends an endless head.")))
      }
      return
    }
    pipe.pauseReading()
    do throws(KacheryError) {
      try answer(HTTPHead(head.prefix(end)))
      let role: WebSocketSession.Role = request == nil ? .server : .client
      finish(.success(try WebSocketPipe(over: pipe, role, early: Array(head.dropFirst(end)), loop: loop)))
    } catch {
      finish(.failure(error))
    }
  }

  private func answer(_ head: HTTPHead) throws(KacheryError) {
    if let request, case .client(_, let server) = side { return try request.check(head, from: server) }
    let answer = WebSocketUpgrade.Answer(to: head)
    answer.bytes.withUnsafeBytes { pipe.write($0) }
    if let problem = answer.problem { throw problem }
  }

  /// Where the empty line ends; nil if it has not arrived.
  private static func endOfHead(in bytes: [UInt8], from start: Int) -> Int? {
    let mark = Array("\r\n\r\n".utf8)
    guard bytes.count >= start + mark.count else { return nil }
    return (start...bytes.count - mark.count).first { bytes[$0...].starts(with: mark) }.map { $0 + mark.count }
  }

  /// Gives up and closes the pipe; nothing is called afterwards. Idempotent.
  func cancel() {
    done = nil
    deadline?.cancel()
    deadline = nil
    pipe.close()
  }

  private func finish(_ result: Result<WebSocketPipe, KacheryError>) {
    guard let tell = done else { return }
    done = nil
    deadline?.cancel()
    deadline = nil
    if case .failure = result { pipe.close() }
    tell(result)
  }
}

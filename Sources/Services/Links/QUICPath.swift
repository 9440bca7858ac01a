import EventLoop
import Primitives
import QUIC

/// A QUIC connection on the socket of an endpoint. Bound to the loop.
///
///     open ──close(), the peer closes or is silent, an error──▶ over
final class QUICPath {
  /// What an application tells its peer when it closes.
  enum Code: UInt64 {
    /// Everything that was written has arrived.
    case inOrder = 0
    /// Something may be missing.
    case cut = 1
  }

  /// How a path ended without this side.
  enum End {
    case closedByPeer(code: UInt64?, reason: String)
    case failed(reason: String)
    case timedOut
    /// This node's own socket is gone, or the other end has forgotten the connection.
    case lost
  }

  let connection: QUICConnection
  let number: Int
  let remoteEndpoint: Endpoint?
  /// Called once, when both ends have proved their IDs.
  var onEstablished: (() -> Void)?
  /// Called when packets have been read, or written, and none is being processed.
  var onFlushed: (() -> Void)?
  /// The end, exactly once unless `close` was called first.
  var onEnd: ((End) -> Void)?
  /// IDs for packets to this end.
  private(set) var ids: Set<QUICConnectionID> = []
  private(set) var isOver = false
  private(set) var isEstablished = false
  /// Whether a packet has passed in either direction: before, there is nothing to tell the other end, and no key for it.
  private(set) var hasBegun = false
  /// Whether it waits for its turn to write packets.
  var isTouched = false

  private let endpoint: QUICEndpoint
  private var isReading = false
  /// A close that waits until a packet is read.
  private var pendingCode: Code?

  init(endpoint: QUICEndpoint, connection: QUICConnection, number: Int, remote: Endpoint?) {
    self.endpoint = endpoint
    self.connection = connection
    self.number = number
    remoteEndpoint = remote
    for id in connection.firstIDs { use(id, true) }
    // The connection calls these from within its methods, and only the path calls those.
    connection.onID = { [unowned self] in use($0, $1) }
    connection.onEstablished = { [unowned self] in
      guard !isOver else { return }
      isEstablished = true
      let tell = onEstablished
      onEstablished = nil
      tell?()
    }
  }

  private func use(_ id: QUICConnectionID, _ isUsed: Bool) {
    if isUsed { ids.insert(id) } else { ids.remove(id) }
    endpoint.register(id, isUsed ? self : nil)
  }

  /// Bytes of a stream have arrived, which the stream receives together with those that follow.
  func gather(_ bytes: UnsafeRawBufferPointer, for stream: some GatheredBytes.Receiver) {
    endpoint.gathered.add(bytes, for: stream)
  }

  /// The streams receive what was gathered for them.
  func deliverGathered() { endpoint.gathered.deliver() }

  /// Packets were written.
  func wrote() { hasBegun = true }

  /// Writes what there is to write, soon.
  func flushSoon() { if !isOver { endpoint.touch(self) } }

  /// Processes a packet from this address in the kernel's form.
  func read(_ packet: UnsafeRawBufferPointer, from sender: UnsafeRawBufferPointer, at now: Instant) {
    guard !isOver else { return }
    (isReading, hasBegun) = (true, true)
    let outcome = connection.read(packet, from: sender, at: now)
    isReading = false
    if let code = pendingCode { return endpoint.end(self, with: .code(code)) }
    handle(outcome)
  }

  /// Does what is due.
  func expire(at now: Instant) {
    guard !isOver else { return }
    handle(connection.handleExpiry(at: now))
  }

  private func handle(_ outcome: QUICConnection.Outcome) {
    switch outcome {
    case .open: flushSoon()
    case .closedByPeer(let code, let reason): end(.closedByPeer(code: code, reason: reason), nil)
    case .failed(let reason): fail(reason)
    case .dropped: end(.lost, nil)
    case .timedOut: end(.timedOut, nil)
    }
  }

  /// The connection has failed for this reason, which it tells the peer.
  func fail(_ reason: String) { end(.failed(reason: reason), .failure) }

  /// This node's socket is gone.
  func lose() { end(.lost, nil) }

  private func end(_ end: End, _ farewell: QUICEndpoint.Farewell?) {
    guard !isOver else { return }
    isOver = true
    let tell = onEnd
    forgetCallbacks()
    endpoint.end(self, with: farewell)
    tell?(end)
  }

  /// Closes the path and tells the peer. Nothing is called afterwards. Idempotent.
  func close(_ code: Code) {
    guard !isOver else { return }
    isOver = true
    forgetCallbacks()
    if isReading {
      pendingCode = code
    } else {
      endpoint.end(self, with: .code(code))
    }
  }

  private func forgetCallbacks() {
    (onEstablished, onFlushed, onEnd) = (nil, nil, nil)
    connection.user = nil
  }
}

import EventLoop
import Primitives
import TLS

/// What a handshake has proved.
struct PeerProof {
  let peer: NodeID
  /// 32 bytes that both ends of this session, and of no other, derive.
  let channelBinding: [UInt8]
}

/// Memory into which sessions decrypt. One buffer serves all sessions of a loop that do not run inside one another.
final class ScratchBuffer {
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

  deinit { bytes.deallocate() }
}

/// A TLS 1.3 session over a pipe: proves the peer's ID and encrypts. Owns the pipe. Bound to the loop.
///
/// If both ends have opened the pipe, one of them becomes the server (`CrossedHello`).
///
///     handshaking ──both sides proved──▶ established ──finish()──▶ finished ──▶ over
///          └────────────an error, or the pipe ends────────────────────────────▶ over
final class TLSChannel {
  /// Called once, before the first plaintext, when both sides have proved their IDs.
  var onEstablished: ((PeerProof) -> Void)?
  /// Receives the next plaintext. The pointer is valid for the call only.
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  /// Called when the pipe has taken everything that had to wait.
  var onDrain: (() -> Void)?
  /// The end, exactly once unless `close` was called first; nil if the peer ended the session in order.
  var onEnd: ((KacheryError?) -> Void)?

  private let pipe: any BytePipe
  private var session: TLSSession
  /// A client's hello, until the other end has shown its role.
  private var hello: CrossedHello?
  private let serverSession: () throws(KacheryError) -> TLSSession
  /// Whether this end is the client.
  private(set) var isDialer: Bool
  private let scratch: ScratchBuffer
  private var isFinished = false
  private var isOver = false

  /// A channel whose handshake begins with `start`.
  ///
  /// - Parameter expectedPeer: the node that must be at the other end; nil for any node that proves an ID.
  init(
    over pipe: any BytePipe, identity: TLSIdentity, isDialer: Bool, expectedPeer: NodeID?, scratch: ScratchBuffer
  ) throws(KacheryError) {
    self.pipe = pipe
    self.scratch = scratch
    self.isDialer = isDialer
    session = try TLSSession(identity: identity, role: isDialer ? .client : .server, expectedPeer: expectedPeer)
    serverSession = { () throws(KacheryError) in
      try TLSSession(identity: identity, role: .server, expectedPeer: expectedPeer)
    }
  }

  var pendingBytes: Int { pipe.pendingBytes }
  var delivery: DeliveryState? { pipe.delivery }
  var remoteEndpoint: Endpoint? { pipe.remoteEndpoint }
  var passage: Passage { pipe.passage }

  /// Starts the handshake, and to read from the pipe.
  ///
  /// - Parameter received: bytes that have arrived already.
  func start(received: [UInt8] = []) {
    pipe.onData = { [weak self] in self?.receive($0) }
    pipe.onDrain = { [weak self] in self?.onDrain?() }
    pipe.onEnd = { [weak self] in self?.pipeEnded($0) }
    session.drainOutput { bytes in
      if isDialer { hello = CrossedHello(sent: Array(bytes)) }
      pipe.write(bytes)
    }
    if !received.isEmpty { received.withUnsafeBytes { receive($0) } }
    if !isOver { pipe.resumeReading() }
  }

  private func receive(_ ciphertext: UnsafeRawBufferPointer) {
    guard let outcome = hello?.receive(ciphertext) else { return process(ciphertext) }
    switch outcome {
    case .undecided: return
    case .client(let bytes):
      hello = nil
      bytes.withUnsafeBytes { process($0) }
    case .server(let bytes):
      hello = nil
      isDialer = false
      do throws(KacheryError) { session = try serverSession() } catch { return end(error) }
      bytes.withUnsafeBytes { process($0) }
    case .own: end(KacheryError(.disconnected, "The connection leads back to this node."))
    }
  }

  private func process(_ ciphertext: UnsafeRawBufferPointer) {
    do throws(KacheryError) {
      try session.receive(ciphertext, scratch: scratch.bytes) { plaintext in
        reportProof()
        onData?(plaintext)
      }
      flush()
      reportProof()
      if session.isClosedByPeer { end(nil) }
    } catch {
      // The session may have left an alert for the peer.
      flush()
      end(error)
    }
  }

  private func reportProof() {
    guard let report = onEstablished, let peer = session.peer else { return }
    onEstablished = nil
    // The client's last flight must be sent before anything that the user of the channel sends.
    flush()
    do throws(KacheryError) {
      let binding = try session.exportKeyingMaterial(label: "EXPORTER-kachery-link", count: 32)
      report(PeerProof(peer: peer, channelBinding: binding))
    } catch {
      end(error)
    }
  }

  /// Encrypts bytes; `flush` sends them. Bytes written after `finish` are dropped.
  func write(_ plaintext: UnsafeRawBufferPointer) {
    guard !isFinished, !isOver else { return }
    do throws(KacheryError) { try session.write(plaintext) } catch {
      flush()
      end(error)
    }
  }

  /// Tunes the pipe for bulk data over a long way.
  func preferThroughput() { pipe.preferThroughput() }

  /// Tunes the pipe to accept only a few bytes ahead of those that it sends.
  func limitUnsentBytes() { pipe.limitUnsentBytes() }

  /// Sends what has been encrypted.
  func flush() { session.drainOutput { pipe.write($0) } }

  /// Frees buffers that are empty and have grown.
  func releaseMemory() { session.releaseMemory() }

  /// Ends this side of the session in order, after what was written: the peer can tell this end from a cut. Idempotent.
  func finish() {
    guard !isFinished, !isOver else { return }
    isFinished = true
    session.startShutdown()
    flush()
  }

  private func pipeEnded(_ error: KacheryError?) {
    let other = session.peer.map { "Node \($0.short) cut the connection." }
    end(error ?? KacheryError(.disconnected, other ?? "The other side closed during the handshake."))
  }

  private func end(_ error: KacheryError?) {
    let tell = onEnd
    close()
    tell?(error)
  }

  /// Closes the pipe immediately. Nothing is called afterwards. Idempotent.
  func close() {
    isOver = true
    (onEstablished, onData, onDrain, onEnd) = (nil, nil, nil, nil)
    pipe.close()
  }
}

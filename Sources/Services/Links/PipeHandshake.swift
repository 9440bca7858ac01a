import EventLoop
import Primitives
import TLS

/// Opens sessions over pipes, all with one identity. Bound to the loop.
///
/// Sessions that run inside other sessions need an instance of their own: the memory into which one decrypts is in use
/// while it passes on what it has decrypted.
struct PipeSessions {
  private let loop: EventLoop
  private let identity: TLSIdentity
  private let scratch = ScratchBuffer()

  /// Sessions that prove `identity` to the other ends.
  init(loop: EventLoop, identity: TLSIdentity) {
    self.loop = loop
    self.identity = identity
  }

  /// - Parameters:
  ///   - expected: the node that must be at the other end; nil for any node that proves an ID.
  ///   - received: bytes that have arrived on the pipe already.
  func handshake(
    over pipe: any BytePipe, isDialer: Bool, expected: NodeID?, received: [UInt8] = []
  ) -> any CarrierHandshake {
    PipeHandshake(
      loop: loop, pipe: pipe, identity: identity, scratch: scratch, isDialer: isDialer, expectedPeer: expected,
      received: received)
  }
}

/// The handshake over any pipe of bytes: TLS proves the IDs, and yamux then carries the streams. Bound to the loop.
final class PipeHandshake: CarrierHandshake {
  let remoteEndpoint: Endpoint?

  private let loop: EventLoop
  private let pipe: any BytePipe
  private let identity: TLSIdentity
  private let scratch: ScratchBuffer
  private let isDialer: Bool
  private let expectedPeer: NodeID?
  private let received: [UInt8]
  private var channel: TLSChannel?
  private var done: ((Result<any StreamCarrier, KacheryError>) -> Void)?
  private var isOver = false

  /// - Parameters:
  ///   - isDialer: whether this side opened the pipe.
  ///   - expectedPeer: the node that must be at the other end; nil for any node that proves an ID.
  ///   - received: bytes that have arrived on the pipe already.
  init(
    loop: EventLoop, pipe: any BytePipe, identity: TLSIdentity, scratch: ScratchBuffer, isDialer: Bool,
    expectedPeer: NodeID?, received: [UInt8] = []
  ) {
    self.loop = loop
    self.pipe = pipe
    self.identity = identity
    self.scratch = scratch
    self.isDialer = isDialer
    self.expectedPeer = expectedPeer
    self.received = received
    remoteEndpoint = pipe.remoteEndpoint
  }

  func start(_ done: @escaping (Result<any StreamCarrier, KacheryError>) -> Void) {
    self.done = done
    do throws(KacheryError) {
      let channel = try TLSChannel(
        over: pipe, identity: identity, isDialer: isDialer, expectedPeer: expectedPeer, scratch: scratch)
      self.channel = channel
      channel.onEstablished = { [weak self] in self?.established($0) }
      // A session that the peer ends in order before it carried anything is no link either.
      channel.onEnd = { [weak self] error in
        self?.finish(.failure(error ?? KacheryError(.disconnected, "The other side closed during the handshake.")))
      }
      channel.start(received: received)
    } catch {
      finish(.failure(error))
    }
  }

  private func established(_ proof: PeerProof) {
    guard let channel else { return }
    finish(.success(MuxCarrier(loop: loop, channel: channel, proof: proof)))
  }

  private func finish(_ result: Result<any StreamCarrier, KacheryError>) {
    guard !isOver else { return }
    isOver = true
    channel = nil
    if case .failure = result { pipe.close() }
    let tell = done
    done = nil
    tell?(result)
  }

  func cancel() {
    guard !isOver else { return }
    isOver = true
    done = nil
    channel?.close()
    channel = nil
    pipe.close()
  }
}

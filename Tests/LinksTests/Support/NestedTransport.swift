import EventLoop
import Primitives
import TLS

@testable import Links

/// A link in memory whose streams are the pipes of other links: TLS in TLS. Bound to the loop.
final class OuterLink {
  /// Called with the far end of each pipe, before anything arrives on it.
  var onPipe: (StreamPipe) -> Void = { $0.close() }
  let wire: MemoryWire

  private let loop: EventLoop
  private let handshakes: [PipeHandshake]
  private var carriers: [any StreamCarrier] = []
  private var dialer: (any StreamCarrier)?
  private var waiting: [(StreamPipe?) -> Void] = []

  init(loop: EventLoop, seed: UInt64) throws {
    self.loop = loop
    let identities = try TestIdentities.shared.get()
    let (near, far) = MemoryWire.pair(on: loop, seed: seed)
    wire = near.wire
    // Its sessions run around those of the links inside, which therefore decrypt into other memory.
    let scratch = ScratchBuffer()
    handshakes = [(near, true), (far, false)].map { pipe, isDialer in
      PipeHandshake(
        loop: loop, pipe: pipe, identity: isDialer ? identities.dialer : identities.listener, scratch: scratch,
        isDialer: isDialer, expectedPeer: nil)
    }
    for (index, handshake) in handshakes.enumerated() {
      handshake.start { [weak self] result in self?.established(try? result.get(), isDialer: index == 0) }
    }
  }

  private func established(_ carrier: (any StreamCarrier)?, isDialer: Bool) {
    if let carrier { carriers.append(carrier) }
    carrier?.onStream = { [weak self, loop] stream in self?.onPipe(StreamPipe(over: stream, loop: loop)) }
    if isDialer { dialer = carrier }
    guard carrier == nil || carriers.count == 2 else { return }
    for tell in waiting { tell(openPipe()) }
    waiting = []
  }

  /// Opens a pipe as soon as the link is up; nil if that fails. Never calls back before this returns.
  func open(_ done: @escaping (StreamPipe?) -> Void) {
    guard carriers.count == 2 else { return waiting.append(done) }
    _ = loop.after(.zero) { done(self.openPipe()) }
  }

  private func openPipe() -> StreamPipe? {
    dialer?.openStream(window: 256 << 10).map { StreamPipe(over: $0, loop: loop) }
  }

  /// Streams that are open at both ends together.
  var openStreams: Int { carriers.reduce(0) { $0 + $1.openStreams } }
}

/// What nested transports share: the outer link to each that listens. Bound to the loop.
final class NestedNetwork {
  /// Called with each end of each pipe, before anything is sent.
  var onPipe: (StreamPipe) -> Void = { _ in }

  private let loop: EventLoop
  private var outers: [Endpoint: OuterLink] = [:]

  init(loop: EventLoop) { self.loop = loop }

  func listen(host: String, _ accept: @escaping (StreamPipe) -> Void) throws -> Endpoint? {
    guard let endpoint = Endpoint(host: host, port: UInt16(outers.count + 1)) else { return nil }
    let outer = try OuterLink(loop: loop, seed: UInt64(outers.count + 1))
    outer.onPipe = { [weak self] pipe in
      self?.onPipe(pipe)
      accept(pipe)
    }
    outers[endpoint] = outer
    return endpoint
  }

  /// Opens a pipe to whatever listens at this endpoint; nil if nothing does.
  func connect(to endpoint: Endpoint, _ done: @escaping (StreamPipe?) -> Void) {
    guard let outer = outers[endpoint] else {
      _ = loop.after(.zero) { done(nil) }
      return
    }
    outer.open { [weak self] pipe in
      if let pipe { self?.onPipe(pipe) }
      done(pipe)
    }
  }
}

/// Links over streams of another link. Bound to the loop.
final class NestedTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?

  private let network: NestedNetwork
  private let loop: EventLoop
  private let sessions: PipeSessions

  init(network: NestedNetwork, loop: EventLoop, identity: TLSIdentity) {
    self.network = network
    self.loop = loop
    sessions = PipeSessions(loop: loop, identity: identity)
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    let accept: (StreamPipe) -> Void = { [weak self] pipe in
      guard let self, let onHandshake else { return pipe.close() }
      onHandshake(sessions.handshake(over: pipe, isDialer: false, expected: nil))
    }
    guard let endpoint = try? network.listen(host: host, accept) else {
      throw KacheryError(.badConfiguration, "'\(host)' is not an address.")
    }
    return endpoint
  }

  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    let dial = Dial()
    network.connect(to: endpoint) { pipe in
      guard !dial.isCancelled else { return pipe?.close() ?? () }
      guard let pipe else { return done(.failure(KacheryError(.disconnected, "Nothing listens at \(endpoint)."))) }
      done(.success(self.sessions.handshake(over: pipe, isDialer: true, expected: expected)))
    }
    return dial
  }

  func avoidLargePackets(to host: String) {}

  func close() { onHandshake = nil }

  private final class Dial: PendingDial {
    private(set) var isCancelled = false

    func cancel() { isCancelled = true }
  }
}

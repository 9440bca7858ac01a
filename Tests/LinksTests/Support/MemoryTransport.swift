import EventLoop
import Primitives
import TLS
import TestSupport

@testable import Links

/// What memory transports share: where each listens. Bound to the loop.
final class MemoryNetwork {
  /// Called with each new pair, whose first end is the dialer's, before anything is sent.
  var onPair: (MemoryPipe, MemoryPipe) -> Void = { _, _ in }

  /// The hosts to which large packets are avoided.
  var narrowHosts: [String] = []

  private let loop: EventLoop
  private var seed: UInt64
  private var listeners: [Endpoint: MemoryTransport] = [:]

  init(loop: EventLoop, seed: UInt64) {
    self.loop = loop
    self.seed = seed
  }

  fileprivate func add(_ transport: MemoryTransport, host: String) -> Endpoint? {
    guard let endpoint = Endpoint(host: host, port: UInt16(listeners.count + 1)) else { return nil }
    listeners[endpoint] = transport
    return endpoint
  }

  fileprivate func remove(_ transport: MemoryTransport) { listeners = listeners.filter { $0.value !== transport } }

  /// A pipe from a host to whatever listens at this endpoint; nil if nothing does.
  func connect(to endpoint: Endpoint, from host: String = "127.0.0.1") -> MemoryPipe? {
    guard let listener = listeners[endpoint] else { return nil }
    seed += 1
    let dialer = Endpoint(host: host, port: 65_535)
    let (near, far) = MemoryWire.pair(on: loop, seed: seed, addresses: (endpoint, dialer))
    onPair(near, far)
    listener.accept(far)
    return near
  }
}

/// Links over pipes in memory. Bound to the loop.
final class MemoryTransport: LinkTransport {
  var onHandshake: ((any CarrierHandshake) -> Void)?

  private let network: MemoryNetwork
  private let loop: EventLoop
  private let sessions: PipeSessions

  init(network: MemoryNetwork, loop: EventLoop, identity: TLSIdentity) {
    self.network = network
    self.loop = loop
    sessions = PipeSessions(loop: loop, identity: identity)
  }

  func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    guard let endpoint = network.add(self, host: host) else {
      throw KacheryError(.badConfiguration, "'\(host)' is not an address.")
    }
    return endpoint
  }

  fileprivate func accept(_ pipe: MemoryPipe) {
    guard let onHandshake else { return pipe.close() }
    onHandshake(sessions.handshake(over: pipe, isDialer: false, expected: nil))
  }

  func dial(
    to endpoint: Endpoint, from source: DialSource, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<any CarrierHandshake, KacheryError>) -> Void
  ) -> any PendingDial {
    Dial(
      timer: loop.after(.zero) {
        guard let pipe = self.network.connect(to: endpoint) else {
          return done(.failure(KacheryError(.disconnected, "Nothing listens at \(endpoint).")))
        }
        done(.success(self.sessions.handshake(over: pipe, isDialer: true, expected: expected)))
      })
  }

  func avoidLargePackets(to host: String) { network.narrowHosts.append(host) }

  func close() {
    onHandshake = nil
    network.remove(self)
  }

  private final class Dial: PendingDial {
    private let timer: Timer

    init(timer: Timer) { self.timer = timer }

    func cancel() { timer.cancel() }
  }
}

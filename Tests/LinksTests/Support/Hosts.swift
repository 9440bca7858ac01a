import Crypto
import EventLoop
import Primitives
import QUIC
import TLS
import Testing

@testable import Links

/// What carries the links of a test: every conformance test runs over each.
enum CarrierKind: CaseIterable, Sendable {
  /// yamux on TLS on a pipe in memory.
  case memory
  /// yamux on TLS on TCP.
  case tcp
  /// yamux on TLS on a stream of another link.
  case nested
  /// yamux on TLS in a WebSocket.
  case webSocket
  /// QUIC, over the loopback interface.
  case quic

  /// Those on which bytes can be sent that are not of a link.
  static let overPipes = allCases.filter { $0 != .quic }
}

/// The identities of all test links: keys are made once, since thousands of links use them.
struct TestIdentities: Sendable {
  let dialer: TLSIdentity
  let listener: TLSIdentity
  let quicDialer: QUICIdentity
  let quicListener: QUICIdentity
  let dialerID: NodeID
  let listenerID: NodeID

  static let shared = Result { try TestIdentities() }

  private init() throws {
    let keys = (try SigningKey.generate(), try SigningKey.generate())
    (dialer, listener) = (try TLSIdentity(key: keys.0), try TLSIdentity(key: keys.1))
    (quicDialer, quicListener) = (try QUICIdentity(key: keys.0), try QUICIdentity(key: keys.1))
    (dialerID, listenerID) = (keys.0.publicKey, keys.1.publicKey)
  }
}

/// Two hosts on one loop, and the links between them. Tests run on the loop as well.
actor Hosts {
  let loop: EventLoop
  let kind: CarrierKind
  let network: MemoryNetwork
  let nested: NestedNetwork
  let dialer: LinkHost
  let listener: LinkHost
  let quicIdentity: QUICIdentity
  private var listening: Endpoint?
  var dialed: [Link] = []
  var accepted: [Link] = []
  /// Why handshakes failed at the listener.
  var refused: [KacheryError] = []
  private var waiters: [CheckedContinuation<Void, Never>] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(
    _ loop: EventLoop, over kind: CarrierKind, dialerProtocol: String? = nil, handshakeTime: Duration = .seconds(30)
  ) throws {
    let identities = try TestIdentities.shared.get()
    let stranger = try dialerProtocol.map { ($0, try SigningKey.generate()) }
    let dialer = try stranger.map { try TLSIdentity(key: $1, applicationProtocol: $0) } ?? identities.dialer
    let quicDialer = try stranger.map { try QUICIdentity(key: $1, applicationProtocol: $0) } ?? identities.quicDialer
    let network = MemoryNetwork(loop: loop, seed: 1)
    let nested = NestedNetwork(loop: loop)
    func host(_ identity: TLSIdentity, _ quic: QUICIdentity, _ time: Duration) -> LinkHost {
      switch kind {
      case .memory:
        let transport = MemoryTransport(network: network, loop: loop, identity: identity)
        return LinkHost(loop: loop, transport: transport, handshakeTime: time)
      case .tcp: return LinkHost(loop: loop, identity: identity, handshakeTime: time)
      case .nested:
        let transport = NestedTransport(network: nested, loop: loop, identity: identity)
        return LinkHost(loop: loop, transport: transport, handshakeTime: time)
      case .webSocket:
        let transport = WebSocketTransport(loop: loop, identity: identity, isSecure: false)
        return LinkHost(loop: loop, transport: transport, handshakeTime: time)
      case .quic:
        let transport = QUICTransport(loop: loop, identity: quic)
        return LinkHost(loop: loop, transport: transport, handshakeTime: time)
      }
    }
    (self.loop, self.kind, self.network, self.nested) = (loop, kind, network, nested)
    quicIdentity = quicDialer
    self.dialer = host(dialer, quicDialer, .seconds(30))
    listener = host(identities.listener, identities.quicListener, handshakeTime)
  }

  func listen() throws {
    listening = try listener.listen(host: "127.0.0.1", port: 0)
    listener.onRefused = { self.refused.append($1) }
    listener.onLink = { link in
      self.accepted.append(link)
      for waiter in self.waiters { waiter.resume() }
      self.waiters = []
    }
  }

  var endpoint: Endpoint {
    guard let listening else { preconditionFailure("listen() comes first") }
    return listening
  }

  /// Adds a link to both ends.
  func connect(expecting expected: NodeID? = nil) async throws {
    let result: Result<Void, KacheryError> = await withCheckedContinuation { continuation in
      _ = dialer.dial(to: endpoint, expected: expected, timeout: .seconds(30)) { result in
        if let link = try? result.get() { self.dialed.append(link) }
        continuation.resume(returning: result.map { _ in })
      }
    }
    try result.get()
    while accepted.count < dialed.count { await withCheckedContinuation { waiters.append($0) } }
  }

  /// Opens a pipe to the listener on which nothing speaks; nil if that fails.
  func openPipe(_ done: @escaping ((any BytePipe)?) -> Void) {
    switch kind {
    case .memory: done(network.connect(to: endpoint))
    case .tcp:
      _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(30)) { done(try? $0.get()) }
    case .nested: nested.connect(to: endpoint) { done($0) }
    case .quic: done(nil)
    case .webSocket:
      let loop = loop
      let host = "\(endpoint)"
      _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(30)) { result in
        guard let connection = try? result.get() else { return done(nil) }
        _ = WebSocketOpening(
          over: connection, .client(host: host, server: host), timeout: .seconds(30), loop: loop
        ) { done(try? $0.get()) }
      }
    }
  }

  /// Runs `body` on the loop and returns what it passes to its closure.
  func run<T: Sendable>(_ body: @Sendable (isolated Hosts, @escaping @Sendable (T) -> Void) -> Void) async -> T {
    await withCheckedContinuation { continuation in body(self) { continuation.resume(returning: $0) } }
  }

  func close() {
    for link in dialed + accepted { link.close() }
    dialer.close()
    listener.close()
  }
}

/// Runs a test with two hosts and shows that they leave nothing open.
func withHosts(
  over kind: CarrierKind = .memory, dialerProtocol: String? = nil, handshakeTime: Duration = .seconds(30),
  _ body: (Hosts) async throws -> Void
) async throws {
  let loop = try EventLoop(name: "links")
  let hosts = try Hosts(loop, over: kind, dialerProtocol: dialerProtocol, handshakeTime: handshakeTime)
  try await hosts.listen()
  try await body(hosts)
  await hosts.close()
  await loop.shutdown()
  #expect(loop.openHandles == 0)
}

/// What tests ask for from outside the loop.
extension Hosts {
  var openHandshakes: Int { listener.openHandshakes }
  var acceptedCount: Int { accepted.count }
  var openStreams: [Int] { (dialed + accepted).map(\.openStreams) }
  var dialedRoundTrip: Duration? { dialed[0].roundTripTime }

  func checkLife() { for link in dialed { link.checkLife(at: loop.now) } }

  /// Waits until a condition holds, a minute at most.
  func until(_ isTrue: @Sendable (isolated Hosts) -> Bool) async throws {
    for _ in 0..<30_000 where !isTrue(self) { try await Task.sleep(for: .milliseconds(2)) }
    guard isTrue(self) else { throw KacheryError(.timedOut, "What the test waits for did not happen.") }
  }
}

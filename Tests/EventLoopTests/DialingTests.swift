import EventLoop
import Primitives
import TestSupport
import Testing

/// Connections that leave from the port on which the loop listens.
@Suite(.timeLimit(.minutes(1))) struct DialingTests {
  /// Two listeners, and what has been connected between their ports. Bound to the loop.
  private actor Two {
    let loop: EventLoop
    private let listeners: [TCPListener]
    private(set) var ports: [UInt16] = []
    private var accepted: [[TCPConnection]] = [[], []]
    private var dialed: [TCPConnection] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(host: String = "127.0.0.1") async throws {
      let loop = try EventLoop(name: "dialing")
      self.loop = loop
      // Written on the loop, before `run` returns.
      nonisolated(unsafe) var made: [TCPListener] = []
      try await loop.run { made = try (0..<2).map { _ in try TCPListener.listen(on: loop, host: host, port: 0) } }
      listeners = made
    }

    func start() {
      ports = listeners.compactMap(\.endpoint?.port)
      for (index, listener) in listeners.enumerated() {
        listener.onConnection = { self.accepted[index].append($0) }
      }
    }

    /// Dials a port from another; returns the local and the remote port of the connection, nil if there is none.
    func dial(_ host: String, _ to: UInt16, from: UInt16?) async -> [UInt16]? {
      guard let endpoint = Endpoint(host: host, port: to) else { return nil }
      return await withCheckedContinuation { continuation in
        _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(20), from: from) { result in
          let connection = try? result.get()
          if let connection { self.dialed.append(connection) }
          continuation.resume(
            returning: connection.map { [$0.localEndpoint?.port ?? 0, $0.remoteEndpoint?.port ?? 0] })
        }
      }
    }

    /// The remote ports of the connections that a listener has accepted.
    func remotePorts(at listener: Int) async throws -> [UInt16] {
      for _ in 0..<5_000 where accepted[listener].isEmpty { try await Task.sleep(for: .milliseconds(2)) }
      return accepted[listener].compactMap(\.remoteEndpoint?.port)
    }

    var acceptedCount: Int { accepted.joined().count }

    /// Sends a byte on each dialed connection; returns how many of them receive one.
    func exchange() async throws -> Int {
      var received = 0
      for connection in dialed {
        connection.onData = { received += $0.count }
        connection.resumeReading()
        connection.write([1])
      }
      for _ in 0..<5_000 where received < dialed.count { try await Task.sleep(for: .milliseconds(2)) }
      return received
    }

    func stopListening(_ listener: Int) { listeners[listener].close() }

    func end() {
      for connection in dialed + accepted.joined() { connection.abort() }
      for listener in listeners { listener.close() }
    }
  }

  private func withTwo(host: String = "127.0.0.1", _ body: (Two, [UInt16]) async throws -> Void) async throws {
    let two = try await Two(host: host)
    await two.start()
    try await body(two, await two.ports)
    await two.end()
    await two.loop.shutdown()
    #expect(two.loop.openHandles == 0)
  }

  @Test(arguments: [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")])
  func aDialLeavesFromTheListeningPort(listening: String, dialed: String) async throws {
    try await withTwo(host: listening) { two, ports in
      #expect(await two.dial(dialed, ports[1], from: ports[0]) == [ports[0], ports[1]])
      let found = try await two.remotePorts(at: 1)
      #expect(found == [ports[0]])
    }
  }

  /// There is one connection for a pair of endpoints. Whoever dials has the second from another port.
  @Test func aSecondDialLeavesFromAnotherPort() async throws {
    try await withTwo { two, ports in
      #expect(await two.dial("127.0.0.1", ports[1], from: ports[0]) == [ports[0], ports[1]])
      let second = try #require(await two.dial("127.0.0.1", ports[1], from: ports[0]))
      #expect(second[0] != ports[0] && second[1] == ports[1])
      // Nor can the other end dial back between these ports.
      let back = try #require(await two.dial("127.0.0.1", ports[0], from: ports[1]))
      #expect(back[0] != ports[1] && back[1] == ports[0])
    }
  }

  /// The connection would otherwise be one with itself, which nothing has accepted.
  @Test func aNodeThatDialsItselfGetsAnAcceptedConnection() async throws {
    try await withTwo { two, ports in
      let own = try #require(await two.dial("127.0.0.1", ports[0], from: ports[0]))
      #expect(own[0] != ports[0] && own[1] == ports[0])
      let found = try await two.remotePorts(at: 0)
      #expect(found == [own[0]])
    }
  }

  @Test func dialsThatCrossShareOneConnection() async throws {
    try await withTwo { two, ports in
      #expect(ports.allSatisfy { DeafListener.make(port: $0) })
      async let first = two.dial("127.0.0.1", ports[1], from: ports[0])
      async let second = two.dial("127.0.0.1", ports[0], from: ports[1])
      #expect(await [first, second] == [[ports[0], ports[1]], [ports[1], ports[0]]])
      #expect(await two.acceptedCount == 0)
      let found = try await two.exchange()
      #expect(found == 2)
    }
  }

  /// The port stays this process's own, although dials leave from it.
  @Test func aPortFromWhichDialsLeaveIsTaken() async throws {
    try await withTwo { two, ports in
      _ = await two.dial("127.0.0.1", ports[1], from: ports[0])
      let loop = two.loop
      for host in ["127.0.0.1", "0.0.0.0", "::"] {
        await #expect {
          try await loop.run { _ = try TCPListener.listen(on: loop, host: host, port: ports[0]) }
        } throws: {
          ($0 as? KacheryError)?.code == .alreadyRunning
        }
      }
    }
  }

  /// Connections of the port may be in any state: a daemon starts again on its port immediately.
  @Test func aPortIsFreeAgainOnceItsListenerIsGone() async throws {
    try await withTwo { two, ports in
      _ = await two.dial("127.0.0.1", ports[1], from: ports[0])
      _ = await two.dial("127.0.0.1", ports[0], from: nil)
      await two.stopListening(0)
      let loop = two.loop
      let port = try await loop.run { () throws -> UInt16? in
        let again = try TCPListener.listen(on: loop, host: "127.0.0.1", port: ports[0])
        defer { again.close() }
        return again.endpoint?.port
      }
      #expect(port == ports[0])
    }
  }
}

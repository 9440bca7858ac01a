import EventLoop
import Primitives
import Testing

@testable import Links

/// Limits and deadlines of handshakes, whatever the transport.
@Suite(.timeLimit(.minutes(1))) struct LinkHostTests {
  @Test(arguments: CarrierKind.overPipes) func halfOpenHandshakesAreBounded(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      let opened: Int = await hosts.run { hosts, done in
        var (opened, ended) = (0, 0)
        for _ in 0..<LinkHost.maximumHandshakesPerAddress + 20 {
          hosts.openPipe { pipe in
            guard let pipe else { return done(-1) }
            opened += 1
            pipe.onEnd = { _ in
              _ = pipe
              ended += 1
              if ended == 20 { done(opened) }
            }
            pipe.resumeReading()
          }
        }
      }
      #expect(opened == LinkHost.maximumHandshakesPerAddress + 20)
      let open = await hosts.openHandshakes
      #expect(open == LinkHost.maximumHandshakesPerAddress)
    }
  }

  @Test func handshakesOfAllTransportsCountTogether() async throws {
    let loop = try EventLoop(name: "links")
    let identity = try TestIdentities.shared.get().listener
    let counts: [Int] = try await loop.run { () throws -> [Int] in
      let network = MemoryNetwork(loop: loop, seed: 1)
      let transports = (0..<2).map { _ in MemoryTransport(network: network, loop: loop, identity: identity) }
      let host = LinkHost(loop: loop, transport: transports[0], accepting: [transports[1]])
      let endpoints = try transports.map { try $0.listen(host: "127.0.0.1", port: 0) }
      var pipes: [MemoryPipe] = []
      var counts: [Int] = []
      for endpoint in endpoints {
        for _ in 0..<20 { network.connect(to: endpoint).map { pipes.append($0) } }
        counts.append(host.openHandshakes)
      }
      host.close()
      return counts + [host.openHandshakes, pipes.count]
    }
    #expect(counts == [20, LinkHost.maximumHandshakesPerAddress, 0, 40])
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  /// Ten addresses hold all places: others take turns with them, and nobody takes turns with one that has just one.
  @Test func aFewAddressesDoNotKeepOthersOut() async throws {
    let loop = try EventLoop(name: "links")
    let identity = try TestIdentities.shared.get().listener
    let (open, ended): (Int, [String]) = try await loop.run { () throws -> (Int, [String]) in
      let network = MemoryNetwork(loop: loop, seed: 1)
      let transport = MemoryTransport(network: network, loop: loop, identity: identity)
      let host = LinkHost(loop: loop, transport: transport)
      let endpoint = try transport.listen(host: "127.0.0.1", port: 0)
      var pipes: [MemoryPipe] = []
      var refused: [String] = []
      host.onRefused = { endpoint, _ in refused.append(endpoint?.host ?? "") }
      for number in 0..<320 { network.connect(to: endpoint, from: "192.0.2.\(number / 32)").map { pipes.append($0) } }
      refused = []
      for number in 0..<20 { network.connect(to: endpoint, from: "198.51.100.\(number)").map { pipes.append($0) } }
      let result = (host.openHandshakes, refused)
      host.close()
      return result
    }
    #expect(open == LinkHost.maximumHandshakes)
    #expect(ended.count == 20)
    #expect(ended.allSatisfy { $0.hasPrefix("192.0.2.") })
    await loop.shutdown()
  }

  @Test(arguments: CarrierKind.allCases) func cancelledAttemptsFreeTheirPlaces(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      let (before, after, calls): (Int, Int, Int) = try await hosts.withSilentEndpoint { hosts, endpoint, done in
        var calls = 0
        let attempts = (0..<20).map { _ in
          hosts.dialer.dial(to: endpoint, expected: nil, timeout: .seconds(30)) { _ in calls += 1 }
        }
        hosts.poll {
          hosts.dialer.openHandshakes == 20
        } then: {
          let before = hosts.dialer.openHandshakes
          for attempt in attempts { attempt.cancel() }
          done((before, hosts.dialer.openHandshakes, calls))
        }
      }
      #expect(before == 20)
      #expect(after == 0)
      #expect(calls == 0)
    }
  }

  @Test(arguments: CarrierKind.allCases) func closingTheHostFailsEachAttempt(kind: CarrierKind) async throws {
    try await withHosts(over: kind) { hosts in
      let codes: [KacheryError.Code] = try await hosts.withSilentEndpoint { hosts, endpoint, done in
        var codes: [KacheryError.Code] = []
        let dial = {
          _ = hosts.dialer.dial(to: endpoint, expected: nil, timeout: .seconds(30)) { result in
            if case .failure(let error) = result { codes.append(error.code) }
            if codes.count == 2 { done(codes) }
          }
        }
        dial()
        hosts.poll {
          hosts.dialer.openHandshakes == 1
        } then: {
          // The first attempt is in its handshake; this one is still connecting.
          dial()
          hosts.dialer.close()
        }
      }
      #expect(codes == [.cancelled, .cancelled])
    }
  }

  @Test func aPathThatLosesLargePacketsIsRememberedByItsHost() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let narrow: [String] = await hosts.run { hosts, done in
        for link in hosts.dialed + hosts.accepted { link.onLargePacketsLost?() }
        done(hosts.network.narrowHosts)
      }
      #expect(narrow == ["127.0.0.1", "127.0.0.1"])
    }
  }

  @Test func releasingAHostFailsItsHandshakes() async throws {
    let loop = try EventLoop(name: "links")
    let identities = try TestIdentities.shared.get()
    let code: KacheryError.Code? = await withCheckedContinuation { continuation in
      loop.post {
        let network = MemoryNetwork(loop: loop, seed: 1)
        let silent = MemoryTransport(network: network, loop: loop, identity: identities.listener)
        silent.onHandshake = { _ in }
        guard let endpoint = try? silent.listen(host: "127.0.0.1", port: 0) else {
          return continuation.resume(returning: nil)
        }
        let transport = MemoryTransport(network: network, loop: loop, identity: identities.dialer)
        var host: LinkHost? = LinkHost(loop: loop, transport: transport)
        _ = host?.dial(to: endpoint, expected: nil, timeout: .seconds(30)) { result in
          if case .failure(let error) = result { continuation.resume(returning: error.code) }
        }
        // By then the attempt has reached its handshake.
        _ = loop.after(.milliseconds(20)) { host = nil }
      }
    }
    #expect(code == .cancelled)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}

extension Hosts {
  /// Runs `body` with an endpoint that accepts paths and says nothing on them.
  fileprivate func withSilentEndpoint<T: Sendable>(
    _ body: @Sendable (isolated Hosts, Endpoint, @escaping @Sendable (T) -> Void) -> Void
  ) async throws -> T {
    let endpoint: Endpoint
    let stop: () -> Void
    switch kind {
    case .memory:
      let silent = MemoryTransport(network: network, loop: loop, identity: try TestIdentities.shared.get().listener)
      silent.onHandshake = { _ in }
      endpoint = try silent.listen(host: "127.0.0.1", port: 0)
      stop = { silent.close() }
    case .tcp:
      let silent = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
      silent.onConnection = { _ in }
      endpoint = try #require(silent.endpoint)
      stop = { silent.close() }
    case .nested:
      let silent = NestedTransport(network: nested, loop: loop, identity: try TestIdentities.shared.get().listener)
      silent.onHandshake = { _ in }
      endpoint = try silent.listen(host: "127.0.0.1", port: 0)
      stop = { silent.close() }
    case .webSocket:
      let identity = try TestIdentities.shared.get().listener
      let silent = WebSocketTransport(loop: loop, identity: identity, isSecure: false)
      silent.onHandshake = { _ in }
      endpoint = try silent.listen(host: "127.0.0.1", port: 0)
      stop = { silent.close() }
    case .quic:
      let silent = try DatagramSocket.bind(on: loop, host: "127.0.0.1", port: 0)
      endpoint = silent.endpoint
      stop = { silent.close() }
    }
    defer { stop() }
    return await withCheckedContinuation { continuation in
      body(self, endpoint) { continuation.resume(returning: $0) }
    }
  }

  /// Runs `then` as soon as the condition holds.
  fileprivate func poll(_ isTrue: @escaping () -> Bool, then: @escaping () -> Void) {
    var timer: Timer?
    timer = loop.after(.milliseconds(1), repeating: .milliseconds(1)) {
      guard isTrue() else { return }
      timer?.cancel()
      timer = nil
      then()
    }
  }
}

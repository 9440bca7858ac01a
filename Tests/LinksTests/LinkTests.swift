import Crypto
import EventLoop
import Primitives
import TLS
import Testing

@testable import Links

/// Two hosts on one loop, driven from there.
private actor Hosts {
  let loop: EventLoop
  let dialer: LinkHost
  let listener: LinkHost
  let listenerKey: SigningKey
  private var listening: Endpoint?
  var accepted: [Link] = []
  private var waiters: [CheckedContinuation<Void, Never>] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ loop: EventLoop, handshakeTime: Duration = .seconds(5)) throws {
    self.loop = loop
    listenerKey = try SigningKey.generate()
    dialer = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
    listener = LinkHost(loop: loop, identity: try TLSIdentity(key: listenerKey), handshakeTime: handshakeTime)
  }

  func listen() throws {
    listening = try listener.listen(host: "127.0.0.1", port: 0)
    listener.onLink = { link in self.took(link) }
  }

  var endpoint: Endpoint {
    guard let listening else { preconditionFailure("listen() comes first") }
    return listening
  }

  private func took(_ link: Link) {
    accepted.append(link)
    for waiter in waiters { waiter.resume() }
    waiters = []
  }

  /// Opens a link and keeps both ends.
  func connect(expecting expected: NodeID? = nil) async throws {
    _ = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      _ = dialer.dial(to: endpoint, expected: expected, timeout: .seconds(5)) { result in
        if let link = try? result.get() { self.dialed.append(link) }
        continuation.resume(with: result.map { _ in }.mapError { $0 as any Error })
      }
    }
    while accepted.count < dialed.count { await withCheckedContinuation { waiters.append($0) } }
  }

  var dialed: [Link] = []
  var openHandshakes: Int { listener.openHandshakes }
  var acceptedCount: Int { accepted.count }

  func run<T: Sendable>(_ body: @Sendable (isolated Hosts, @escaping @Sendable (T) -> Void) -> Void) async -> T {
    await withCheckedContinuation { continuation in body(self) { continuation.resume(returning: $0) } }
  }

  func close() {
    for link in dialed + accepted { link.close() }
    dialer.close()
    listener.close()
  }
}

@Suite struct LinkTests {
  private func withHosts(
    handshakeTime: Duration = .seconds(5), _ body: (Hosts) async throws -> Void
  ) async throws {
    let loop = try EventLoop(name: "links")
    let hosts = try Hosts(loop, handshakeTime: handshakeTime)
    try await hosts.listen()
    try await body(hosts)
    await hosts.close()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  @Test func bothEndsKnowEachOther() async throws {
    try await withHosts { hosts in
      try await hosts.connect(expecting: hosts.listenerKey.publicKey)
      let (peers, bindings): ([NodeID], [[UInt8]]) = await hosts.run { hosts, done in
        done(
          (
            [hosts.dialed[0].peer, hosts.accepted[0].peer],
            [hosts.dialed[0].channelBinding, hosts.accepted[0].channelBinding]
          ))
      }
      #expect(peers[0] == hosts.listenerKey.publicKey)
      #expect(peers[1] != peers[0])
      #expect(bindings[0].count == 32)
      #expect(bindings[0] == bindings[1])
    }
  }

  /// The test chooses the times at which the link is checked.
  @Test func aProcessThatStoodStillKeepsItsLinks() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let echo: [UInt8] = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { stream in stream.onData = { stream.write(Array($0)) } }
        hosts.dialed[0].checkLife(at: hosts.loop.now + .seconds(14))
        let stream = hosts.dialed[0].openStream()
        stream.onEnd = { _ in done([]) }
        stream.onData = { bytes in
          stream.onEnd = nil
          done(Array(bytes))
        }
        stream.write([1, 2, 3])
      }
      #expect(echo == [1, 2, 3])
    }
  }

  @Test func aSilentPeerIsGivenUp() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let (checks, error): (Int, KacheryError?) = await hosts.run { hosts, done in
        var checks = 0
        var isOver = false
        hosts.dialed[0].onClose = { error in
          isOver = true
          done((checks, error))
        }
        // Nothing is read meanwhile, because this loop is busy.
        while !isOver, checks < 10 {
          checks += 1
          hosts.dialed[0].checkLife(at: hosts.loop.now + LinkClock.pingPeriod * checks)
        }
      }
      #expect(checks == 4 && error?.code == .timedOut)
    }
  }

  @Test func aWrongNodeIsRefused() async throws {
    try await withHosts { hosts in
      let other = try SigningKey.generate().publicKey
      await #expect(throws: KacheryError.self) { try await hosts.connect(expecting: other) }
    }
  }

  /// Bytes in both directions on many concurrent streams; those of each stream arrive complete and in order.
  @Test func manyStreamsCarryTheirBytes() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let echoes: [Int: [UInt8]] = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { stream in
          stream.onData = { bytes in
            stream.write(Array(bytes))
            stream.consumed(bytes.count)
          }
          stream.onEnd = { _ in stream.finish() }
        }
        var echoes: [Int: [UInt8]] = [:]
        var ended = 0
        for number in 0..<200 {
          let stream = hosts.dialed[0].openStream()
          stream.onData = { bytes in
            echoes[number, default: []] += bytes
            stream.consumed(bytes.count)
          }
          stream.onEnd = { _ in
            ended += 1
            if ended == 200 { done(echoes) }
          }
          stream.write((0..<(number * 50)).map { UInt8(truncatingIfNeeded: $0 &* number) })
          stream.finish()
        }
      }
      for number in 0..<200 {
        #expect(echoes[number] ?? [] == (0..<(number * 50)).map { UInt8(truncatingIfNeeded: $0 &* number) })
      }
    }
  }

  @Test func aLargeStreamArrivesWhole() async throws {
    let total = 30_000_000
    try await withHosts { hosts in
      try await hosts.connect()
      let (count, hash): (Int, ContentHash) = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { stream in
          var sent = 0
          func send() {
            while sent < total, stream.isWritable {
              let count = min(256 << 10, total - sent)
              stream.write((sent..<sent + count).map { UInt8(truncatingIfNeeded: $0 / 5) })
              sent += count
            }
            if sent == total { stream.finish() }
          }
          stream.onWritable = { send() }
          send()
        }
        var digest = SHA1Digest()
        var count = 0
        let stream = hosts.dialed[0].openStream(window: 4 << 20)
        stream.onData = { bytes in
          digest.update(bytes)
          count += bytes.count
          stream.consumed(bytes.count)
        }
        stream.onEnd = { _ in done((count, digest.finish())) }
        stream.write([1])
      }
      #expect(count == total)
      #expect(hash == ContentHash.of((0..<total).map { UInt8(truncatingIfNeeded: $0 / 5) }))
    }
  }

  /// A reader that reads nothing gets at most its window, and the writer is told to stop.
  @Test func aSlowReaderBoundsWhatIsHeld() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let (received, writtenAtStop): (Int, Int) = await hosts.run { hosts, done in
        var received = 0
        hosts.accepted[0].onStream = { stream in stream.onData = { received += $0.count } }
        let stream = hosts.dialed[0].openStream()
        var written = 0
        while stream.isWritable {
          stream.write([UInt8](repeating: 1, count: 64 << 10))
          written += 64 << 10
        }
        _ = hosts.loop.after(.milliseconds(100)) { done((received, written)) }
      }
      #expect(received == 256 << 10)
      #expect(writtenAtStop < 4 << 20)
    }
  }

  /// The reader is slow, so most bytes still wait for the window when the link is closed.
  @Test func whatWasWrittenBeforeTheCloseArrives() async throws {
    let total = 1 << 20
    try await withHosts { hosts in
      try await hosts.connect()
      let (received, error): (Int, KacheryError?) = await hosts.run { hosts, done in
        var received = 0
        hosts.accepted[0].onStream = { stream in
          stream.onData = { bytes in
            received += bytes.count
            let count = bytes.count
            _ = hosts.loop.after(.milliseconds(5)) { stream.consumed(count) }
          }
        }
        hosts.accepted[0].onClose = { done((received, $0)) }
        let stream = hosts.dialed[0].openStream()
        stream.write([UInt8](repeating: 1, count: total))
        hosts.dialed[0].close()
        stream.write([UInt8](repeating: 2, count: total))
      }
      #expect(received == total)
      #expect(error == nil)
    }
  }

  @Test func theEndOfALinkEndsItsStreams() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let ends: [LinkStreamEnd] = await hosts.run { hosts, done in
        var ends: [LinkStreamEnd] = []
        for _ in 0..<3 { hosts.dialed[0].openStream().onEnd = { ends.append($0) } }
        hosts.dialed[0].onClose = { _ in done(ends) }
        hosts.accepted[0].close()
      }
      #expect(ends == [.linkClosed, .linkClosed, .linkClosed])
    }
  }

  @Test func aResetIsReported() async throws {
    try await withHosts { hosts in
      try await hosts.connect()
      let end: LinkStreamEnd = await hosts.run { hosts, done in
        hosts.accepted[0].onStream = { $0.reset() }
        let stream = hosts.dialed[0].openStream()
        stream.onEnd = { done($0) }
        stream.write([1])
      }
      #expect(end == .reset)
    }
  }

  @Test func aSilentPeerIsDroppedAtTheDeadline() async throws {
    try await withHosts(handshakeTime: .milliseconds(50)) { hosts in
      let ended: Bool = await hosts.run { hosts, done in
        _ = TCPConnection.connect(on: hosts.loop, to: hosts.endpoint, timeout: .seconds(5)) { result in
          guard let connection = try? result.get() else { return done(false) }
          connection.onEnd = { _ in done(true) }
          connection.resumeReading()
        }
      }
      #expect(ended)
      #expect(await hosts.openHandshakes == 0)
    }
  }

  @Test func garbageInPlaceOfAHandshakeIsDropped() async throws {
    try await withHosts { hosts in
      let ended: Bool = await hosts.run { hosts, done in
        _ = TCPConnection.connect(on: hosts.loop, to: hosts.endpoint, timeout: .seconds(5)) { result in
          guard let connection = try? result.get() else { return done(false) }
          connection.onEnd = { _ in done(true) }
          connection.resumeReading()
          connection.write(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        }
      }
      #expect(ended)
      #expect(await hosts.acceptedCount == 0)
    }
  }

  @Test func halfOpenHandshakesAreBounded() async throws {
    try await withHosts { hosts in
      let held: Int = await hosts.run { hosts, done in
        for _ in 0..<(LinkHost.maximumHandshakesPerAddress + 20) {
          _ = TCPConnection.connect(on: hosts.loop, to: hosts.endpoint, timeout: .seconds(5)) { _ in }
        }
        _ = hosts.loop.after(.milliseconds(200)) { done(hosts.listener.openHandshakes) }
      }
      #expect(held == LinkHost.maximumHandshakesPerAddress)
    }
  }
}

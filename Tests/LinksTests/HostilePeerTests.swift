import Crypto
import EventLoop
import Links
import Primitives
import TLS
import Testing

/// Peers that vanish, flood, or speak another protocol.
@Suite struct HostilePeerTests {
  /// One end of a link on a separate loop, so that the other end can disappear like a process.
  private actor End {
    let loop: EventLoop
    let host: LinkHost
    private var links: [Link] = []
    private var closings: [KacheryError?] = []
    private var waiters: [CheckedContinuation<Void, Never>] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(applicationProtocol: String = "kachery/1") throws {
      loop = try EventLoop(name: "end")
      let identity = try TLSIdentity(key: try SigningKey.generate(), applicationProtocol: applicationProtocol)
      host = LinkHost(loop: loop, identity: identity)
    }

    func listen() throws -> Endpoint {
      host.onLink = { link in self.keep(link) }
      return try host.listen(host: "127.0.0.1", port: 0)
    }

    private func keep(_ link: Link) {
      links.append(link)
      link.onStream = { stream in stream.onData = { stream.consumed($0.count) } }
      link.onClose = { error in
        self.closings.append(error)
        for waiter in self.waiters { waiter.resume() }
        self.waiters = []
      }
    }

    func dial(_ endpoint: Endpoint) async throws {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        _ = host.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          if let link = try? result.get() { self.keep(link) }
          continuation.resume(with: result.map { _ in }.mapError { $0 as any Error })
        }
      }
    }

    /// How the first link ended.
    func closing() async -> KacheryError? {
      while closings.isEmpty { await withCheckedContinuation { waiters.append($0) } }
      return closings[0]
    }

    func run<T: Sendable>(_ body: @Sendable (Link, @escaping @Sendable (T) -> Void) -> Void) async -> T {
      await withCheckedContinuation { continuation in body(links[0]) { continuation.resume(returning: $0) } }
    }

    func hosting<T: Sendable>(
      _ body: @Sendable (EventLoop, LinkHost, @escaping @Sendable (T) -> Void) -> Void
    ) async -> T {
      await withCheckedContinuation { continuation in body(loop, host) { continuation.resume(returning: $0) } }
    }

    func stop() async {
      host.close()
      await loop.shutdown()
      #expect(loop.openHandles == 0)
    }
  }

  @Test(.timeLimit(.minutes(1))) func aPeerThatVanishesMidStreamEndsTheStream() async throws {
    let (serving, asking) = (try End(), try End())
    try await asking.dial(try await serving.listen())
    let loop = serving.loop
    let end: LinkStreamEnd = await asking.run { link, done in
      let stream = link.openStream()
      stream.onEnd = { done($0) }
      var written = 0
      stream.onWritable = { [weak stream] in
        written += 1
        stream?.write([UInt8](repeating: 1, count: 64 << 10))
      }
      while stream.isWritable { stream.write([UInt8](repeating: 1, count: 64 << 10)) }
      // The whole process ends: nothing is sent before its sockets close.
      Task.detached { await loop.shutdown() }
    }
    #expect(end == .linkClosed)
    #expect(await asking.closing()?.code == .disconnected)
    await serving.stop()
    await asking.stop()
  }

  @Test(.timeLimit(.minutes(1))) func anotherProtocolIsRefusedOnBothSides() async throws {
    let (serving, asking) = (try End(), try End(applicationProtocol: "other/1"))
    let endpoint = try await serving.listen()
    await #expect { try await asking.dial(endpoint) } throws: {
      ($0 as? KacheryError)?.code == .protocolViolation
    }
    #expect(await serving.hosting { $2($1.openHandshakes) } == 0)
    await serving.stop()
    await asking.stop()
  }

  /// More streams than may be open at the same time, in batches, each with a few bytes.
  @Test(.timeLimit(.minutes(1))) func thousandsOfSmallStreamsLeaveNothingBehind() async throws {
    let (serving, asking) = (try End(), try End())
    try await asking.dial(try await serving.listen())
    _ = await serving.run { (link, done: @escaping @Sendable (Bool) -> Void) in
      link.onStream = { stream in
        stream.onData = { bytes in
          stream.write(Array(bytes))
          stream.consumed(bytes.count)
        }
        stream.onEnd = { _ in stream.finish() }
      }
      done(true)
    }
    let (right, open): (Int, Int) = await asking.run { link, done in
      var begun = 0
      var ended = 0
      var right = 0
      func begin() {
        begun += 1
        let message = Array("message \(begun)".utf8)
        let stream = link.openStream()
        var echo: [UInt8] = []
        stream.onData = { bytes in
          echo += bytes
          stream.consumed(bytes.count)
        }
        stream.onEnd = { end in
          ended += 1
          if end == .finished, echo == message { right += 1 }
          if begun < 3_000 { begin() } else if ended == 3_000 { done((right, link.openStreams)) }
        }
        stream.write(message)
        stream.finish()
      }
      // More than the other side accepts at the same time: the rest waits for its turn.
      for _ in 0..<2_000 { begin() }
    }
    #expect(right == 3_000)
    #expect(open <= 1)
    await asking.stop()
    await serving.stop()
  }

  /// Accepts connections but sends nothing, so that attempts hang in their handshakes.
  private func silentEndpoint(on loop: EventLoop) async throws -> Endpoint {
    let endpoint = try await loop.run { () throws -> Endpoint? in
      let listener = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
      listener.onConnection = { _ in }
      return listener.endpoint
    }
    return try #require(endpoint)
  }

  @Test(.timeLimit(.minutes(1))) func cancelledAttemptsFreeTheirPlaces() async throws {
    let asking = try End()
    let endpoint = try await silentEndpoint(on: asking.loop)
    let (before, after, told): (Int, Int, Int) = await asking.hosting { loop, host, done in
      var told = 0
      let attempts = (0..<20).map { _ in
        host.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { _ in told += 1 }
      }
      var poll: Timer?
      poll = loop.after(.milliseconds(1), repeating: .milliseconds(1)) {
        guard host.openHandshakes == 20 else { return }
        poll?.cancel()
        poll = nil
        for attempt in attempts { attempt.cancel() }
        done((20, host.openHandshakes, told))
      }
    }
    #expect(before == 20)
    #expect(after == 0)
    #expect(told == 0)
    await asking.stop()
  }

  @Test(.timeLimit(.minutes(1))) func closingEndsPendingDials() async throws {
    let asking = try End()
    let endpoint = try await silentEndpoint(on: asking.loop)
    let codes: [KacheryError.Code] = await asking.hosting { loop, host, done in
      var codes: [KacheryError.Code] = []
      func dial() {
        _ = host.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
          if case .failure(let error) = result { codes.append(error.code) }
          if codes.count == 2 { done(codes) }
        }
      }
      dial()
      var poll: Timer?
      poll = loop.after(.milliseconds(1), repeating: .milliseconds(1)) {
        guard host.openHandshakes == 1 else { return }
        poll?.cancel()
        poll = nil
        // One attempt is in its handshake, this one is still connecting.
        dial()
        host.close()
      }
    }
    #expect(codes == [.cancelled, .cancelled])
    await asking.stop()
  }

  /// A peer that keeps sending requests and reads no answer must not fill this node's memory.
  @Test(.timeLimit(.minutes(1))) func aPeerThatReadsNoAnswersIsDisconnected() async throws {
    let serving = try End()
    let endpoint = try await serving.listen()
    let flooder = try Flooder()
    await flooder.flood(endpoint)
    #expect(await serving.closing()?.code == .protocolViolation)
    await flooder.loop.shutdown()
    await serving.stop()
  }

  /// Speaks TLS and then sends only pings, and reads nothing.
  private actor Flooder {
    let loop: EventLoop
    private let identity: TLSIdentity

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      loop = try EventLoop(name: "flooder")
      identity = try TLSIdentity(key: try SigningKey.generate())
    }

    func flood(_ endpoint: Endpoint) {
      let ping: [UInt8] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
      let pings = Array([[UInt8]](repeating: ping, count: 10_000).joined())
      _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(5)) { [identity] result in
        guard let connection = try? result.get(),
          let session = try? TLSSession(identity: identity, role: .client)
        else { return }
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        let send = {
          while connection.pendingBytes == 0 {
            pings.withUnsafeBytes { try? session.write($0) }
            session.drainOutput { connection.write($0) }
          }
        }
        connection.onDrain = { send() }
        connection.onData = { bytes in
          try? session.receive(bytes, scratch: scratch) { _ in }
          session.drainOutput { connection.write($0) }
          guard session.isEstablished else { return }
          connection.pauseReading()
          scratch.deallocate()
          send()
        }
        session.drainOutput { connection.write($0) }
        connection.resumeReading()
      }
    }
  }
}
